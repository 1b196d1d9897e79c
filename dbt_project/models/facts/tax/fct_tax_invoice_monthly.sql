with news as not materialized (

    {{ monthly_rows('stg_tax__invoice') }}

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
        count(*) filter (where direction = 'OUT' and status <> 'VOID' and net_cny < 0) as red_count,
        -- In the first ten days of a quarter: it may reverse invoices that inflated the last one.
        -coalesce(
            sum(net_cny) filter (
                where direction = 'OUT' and status <> 'VOID' and net_cny < 0
                and day(issued_on) <= 10 and month(issued_on) % 3 = 1
            ),
            0
        ) as early_red_cny,
        coalesce(
            sum(net_cny) filter (
                where direction = 'OUT' and status <> 'VOID' and net_cny > 0
                and day(issued_on) >= 26
            ),
            0
        ) as late_month_cny,
        -- A file without times gives exactly midnight.
        count(*) filter (
            where direction = 'OUT' and status <> 'VOID' and net_cny > 0
            and hour(issued_at) < 5 and issued_at > issued_on
        ) as night_count,
        count(*) filter (
            where direction = 'OUT' and status <> 'VOID' and net_cny > 0 and net_cny % 1000 = 0
        ) as round_count,
        coalesce(sum(net_cny) filter (where direction = 'OUT' and status = 'VOID'), 0) as void_cny,
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
