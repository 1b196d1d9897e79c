with news as not materialized (

    {{ monthly_rows('stg_power__reading') }}

),

-- The months around Spring Festival; the rest of the year is in fct_power_reading_monthly.
final as (

    select
        firm_id,
        month,
        reading_date,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        sum(energy_kwh) as energy_kwh
    from news
    where month(reading_date) in (11, 12, 1, 2, 3, 4)
    group by all

)

select * from final
