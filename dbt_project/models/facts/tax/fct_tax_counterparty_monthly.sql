with news as not materialized (

    {{ monthly_rows('stg_tax__invoice') }}

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
