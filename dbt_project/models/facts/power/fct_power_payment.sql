with versions as not materialized (

    {{ monthly_rows(ref('stg_power__bill'), 'bill_month') }}

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
        delivery_seq,
        row_id,
        due_date,
        paid_on,
        arrears_cny
    from news

)

select * from final
