with versions as (

    {{ monthly_rows(ref('stg_tax__invoice'), 'issued_on') }}

),

news as (

    {{ touched('versions') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        coalesce(sum(net_cny) filter (where direction = 'OUT' and status <> 'VOID'), 0)
            as sales_cny,
        count(*) filter (where direction = 'OUT' and status <> 'VOID' and net_cny > 0)
            as sales_invoice_count,
        -coalesce(
            sum(net_cny) filter (where direction = 'OUT' and status <> 'VOID' and net_cny < 0), 0
        ) as red_cny,
        count(*) filter (where direction = 'OUT' and status = 'VOID') as void_count,
        count(*) filter (where direction = 'OUT') as issued_count,
        max(net_cny) filter (where direction = 'OUT' and status <> 'VOID') as largest_invoice_cny,
        max(issued_on) filter (where direction = 'OUT' and status <> 'VOID') as last_issued_on,
        coalesce(
            bit_or(1::integer << (day(issued_on)::integer - 1)) filter (
                where direction = 'OUT' and status <> 'VOID'
            ),
            0
        ) as active_days,
        coalesce(sum(net_cny) filter (where direction = 'IN' and status <> 'VOID'), 0)
            as purchases_cny,
        count(*) filter (where direction = 'IN' and status <> 'VOID') as purchase_invoice_count
    from news
    group by all

)

select * from final
