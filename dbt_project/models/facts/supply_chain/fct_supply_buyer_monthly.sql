with news as not materialized (

    {{ monthly_rows('stg_supply__order') }}

),

final as (

    select
        firm_id,
        month,
        buyer_id,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        coalesce(sum(ordered_cny) filter (where status <> 'CANCELLED'), 0) as ordered_cny,
        count(*) as order_count,
        count(*) filter (where status = 'CANCELLED') as cancelled_count
    from news
    group by all

)

select * from final
