with news as not materialized (

    {{ monthly_rows('stg_bank__txn') }}

),

-- Comparing one number is much faster than comparing a time and a row.
ordered as (

    select
        *,
        cast(epoch_us(booked_at) as hugeint) * 10000000000000000000 + row_id as booking_order
    from news
    where balance_cny is not null

),

final as (

    select
        firm_id,
        month,
        account_id,
        booked_on,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        max(booking_order) as booking_order,
        max_by(balance_cny, booking_order) as balance_cny
    from ordered
    group by all

)

select * from final
