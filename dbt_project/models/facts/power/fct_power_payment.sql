with news as not materialized (

    {{ monthly_rows('stg_power__bill') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        delivery_seq,
        row_id,
        due_date,
        paid_on,
        arrears_cny
    from news

)

select * from final
