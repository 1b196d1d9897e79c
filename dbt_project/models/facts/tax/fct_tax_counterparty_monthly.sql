with versions as not materialized (

    {{ monthly_rows(ref('stg_tax__invoice'), 'issued_on') }}

),

news as (

    {{ touched('versions') }}

),

final as (

    select
        firm_id,
        month,
        direction,
        counterparty_id,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        coalesce(sum(net_cny) filter (where status <> 'VOID'), 0) as net_cny,
        count(*) filter (where status <> 'VOID') as invoice_count
    from news
    group by all

)

select * from final
