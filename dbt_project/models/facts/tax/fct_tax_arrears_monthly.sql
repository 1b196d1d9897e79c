with news as not materialized (

    {{ monthly_rows('stg_tax__arrears') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        coalesce(sum(arrears_cny) filter (where cleared_on is null), 0) as open_cny,
        min(arose_on) filter (where cleared_on is null) as oldest_open_on,
        count(*) as arrears_count
    from news
    group by all

)

select * from final
