with versions as not materialized (

    {{ monthly_rows(ref('stg_power__reading'), 'reading_date') }}

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
        sum(energy_kwh) as energy_kwh,
        count(*) as day_count
    from news
    group by all

)

select * from final
