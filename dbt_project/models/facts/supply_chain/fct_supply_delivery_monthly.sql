with news as not materialized (

    {{ monthly_rows('stg_supply__delivery') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        count(*) as delivery_count,
        count(*) filter (where accepted_on <= due_date) as on_time_count,
        sum(quantity) as quantity,
        sum(returned_quantity) as returned_quantity
    from news
    group by all

)

select * from final
