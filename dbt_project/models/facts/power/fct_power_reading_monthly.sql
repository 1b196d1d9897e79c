with news as not materialized (

    {{ monthly_rows('stg_power__reading') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        sum(energy_kwh) as energy_kwh,
        count(*) as day_count
    from news
    group by all

)

select * from final
