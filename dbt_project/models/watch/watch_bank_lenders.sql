with snapshots as (

    {{ snapshots_to_build(spine='watch_snapshots') }}

),

-- Each lender of the last half-year, from the first loan in it.
lenders as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        bookings.counterparty_id,
        min(bookings.booked_on) as first_on
    from snapshots
    inner join {{ ref('stg_bank__txn') }} as bookings
        on
            snapshots.firm_id = bookings.firm_id
            and snapshots.as_of >= bookings.available_at
            and snapshots.as_of >= bookings.booked_on
            and bookings.booked_on > snapshots.as_of - interval 6 month
    where bookings.category = 'loan_in' and bookings.counterparty_id is not null
    group by snapshots.firm_id, snapshots.as_of, bookings.counterparty_id

),

measured as (

    select
        firm_id,
        as_of,
        count(*) filter (where first_on > as_of - interval 3 month) as new_lenders
    from lenders
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        cast(measured.new_lenders as double) as bank_new_lenders_3m
    from snapshots
    left join measured using (firm_id, as_of)

)

select * from final
