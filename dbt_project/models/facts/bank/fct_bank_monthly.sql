with versions as not materialized (

    {{ monthly_rows('stg_bank__txn', days_around=5) }}

),

bookings as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        delivery_seq,
        row_id,
        booked_on,
        direction,
        category,
        amount_cny,
        balance_cny,
        1 as bookings
    from versions

),

-- A reversal or returned payment, and what it may reverse: the same amount on the same account
-- with the same party, in the other direction, up to five days earlier.
candidates as (

    select
        returns.row_id as return_id,
        originals.row_id as original_id,
        returns.booked_on - originals.booked_on as days_apart,
        greatest(returns.available_at, originals.available_at) as available_at,
        least(returns.superseded_at, originals.superseded_at) as superseded_at,
        greatest(returns.delivery_seq, originals.delivery_seq) as delivery_seq,
        originals.firm_id,
        originals.month,
        originals.booked_on,
        originals.direction,
        originals.category,
        originals.amount_cny
    from versions as returns
    inner join versions as originals
        on
            returns.firm_id = originals.firm_id
            and returns.account_id is not distinct from originals.account_id
            and returns.counterparty_id is not distinct from originals.counterparty_id
            and returns.amount_cny = originals.amount_cny
            and returns.direction <> originals.direction
            and returns.booked_on between originals.booked_on and originals.booked_on + 5
            and returns.row_id <> originals.row_id
    where
        returns.category in ('reversal', 'refund')
        and originals.category not in ('reversal', 'refund')
        and greatest(returns.available_at, originals.available_at)
        < least(returns.superseded_at, originals.superseded_at)

),

-- Each return reverses one booking, the first known match, and each booking is reversed
-- once: later knowledge does not separate a pair.
pairs as (

    select
        return_id,
        original_id,
        min(available_at) as known_at,
        min(days_apart) as days_apart
    from candidates
    group by return_id, original_id

),

first_originals as (

    select *
    from pairs
    qualify row_number() over (
            partition by return_id order by known_at, days_apart, original_id
        ) = 1

),

chosen as (

    select
        return_id,
        original_id
    from first_originals
    qualify row_number() over (
            partition by original_id order by known_at, days_apart, return_id
        ) = 1

),

taken_back as (

    select
        candidates.firm_id,
        candidates.month,
        candidates.available_at,
        candidates.superseded_at,
        candidates.delivery_seq,
        candidates.return_id as row_id,
        candidates.booked_on,
        candidates.direction,
        candidates.category,
        -candidates.amount_cny as amount_cny,
        cast(null as decimal(18, 2)) as balance_cny,
        -1 as bookings
    from candidates
    inner join chosen using (return_id, original_id)

),

pieces as (

    select * from bookings
    union all
    select * from taken_back

),

news as (

    {{ touched('pieces', 'stg_bank__txn', days_around=5) }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        coalesce(sum(amount_cny) filter (where category = 'op_in' and direction = 'IN'), 0)
            as operating_in_cny,
        coalesce(
            sum(amount_cny) filter (
                where category in ('op_out', 'payroll', 'tax', 'social_security', 'utility', 'fee')
                and direction = 'OUT'
            ),
            0
        ) as operating_out_cny,
        coalesce(sum(amount_cny) filter (where category = 'payroll' and direction = 'OUT'), 0)
            as payroll_cny,
        coalesce(
            bit_or(cast(1 as integer) << (cast(day(booked_on) as integer) - 1)) filter (
                where category = 'payroll' and direction = 'OUT' and bookings = 1
            ),
            0
        ) as payroll_days,
        coalesce(
            sum(amount_cny) filter (where category = 'social_security' and direction = 'OUT'), 0
        ) as social_security_cny,
        coalesce(sum(amount_cny) filter (where category = 'tax' and direction = 'OUT'), 0)
            as tax_out_cny,
        coalesce(sum(amount_cny) filter (where category = 'cash'), 0) as cash_cny,
        coalesce(sum(amount_cny) filter (where category not in ('reversal', 'self_transfer')), 0)
            as turnover_cny,
        coalesce(
            sum(amount_cny) filter (
                where category not in ('reversal', 'self_transfer') and direction = 'IN'
            ),
            0
        ) as turnover_in_cny,
        coalesce(sum(amount_cny) filter (where category = 'unknown' and direction = 'IN'), 0)
            as unknown_in_cny,
        coalesce(sum(amount_cny) filter (where category = 'unknown' and direction = 'OUT'), 0)
            as unknown_out_cny,
        coalesce(sum(amount_cny) filter (where category = 'loan_in' and direction = 'IN'), 0)
            as loan_in_cny,
        coalesce(
            sum(amount_cny) filter (
                where category in ('loan_repay', 'interest') and direction = 'OUT'
            ),
            0
        ) as debt_service_cny,
        min(balance_cny) filter (where category not in ('reversal', 'self_transfer'))
            as lowest_balance_cny,
        coalesce(
            bit_or(cast(1 as integer) << (cast(day(booked_on) as integer) - 1)) filter (
                where category not in ('reversal', 'self_transfer')
            ),
            0
        ) as active_days,
        cast(coalesce(sum(bookings) filter (where category = 'seizure'), 0) as bigint)
            as seizure_count,
        cast(
            coalesce(sum(bookings) filter (where category not in ('reversal', 'self_transfer')), 0)
            as bigint
        ) as txn_count,
        count(*) filter (where category in ('reversal', 'refund') and bookings = 1)
            as returned_count
    from news
    group by all

)

select * from final
