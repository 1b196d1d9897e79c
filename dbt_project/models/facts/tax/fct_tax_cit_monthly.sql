with news as not materialized (

    {{ monthly_rows('stg_tax__cit_return') }}

),

final as (

    select
        firm_id,
        month,
        period_kind,
        period_start,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        sum(revenue_cny) as revenue_cny,
        sum(profit_cny) as profit_cny,
        max(average_staff) as average_staff,
        max(average_assets_cny) as average_assets_cny
    from news
    group by all

)

select * from final
