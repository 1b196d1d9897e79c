with snapshots as (

    {{ snapshots_to_build() }}

),

-- A number instead of firm and date: each has some two hundred days.
numbered as materialized (

    select
        *,
        row_number() over (order by firm_id, as_of) as snapshot,
        cast(last_month - interval 5 month as date) as first_day,
        last_day(last_month) as final_day
    from snapshots

),

outflows as (

    select
        snapshots.snapshot,
        cast(sum(facts.operating_out_cny) as double)
        / (max(datediff('month', facts.month, snapshots.last_month)) + 1) as monthly
    from numbered as snapshots
    {{ join_known(ref('fct_bank_monthly'), months=6) }}
    group by snapshots.snapshot
    having
        {{ is_known_flow(
            'sum(facts.unknown_out_cny)', 'sum(facts.turnover_cny - facts.turnover_in_cny)'
        ) }}

),

-- One month more than measured: an account keeps its balance until the next booking.
balances as (

    select
        snapshots.snapshot,
        facts.account_id,
        facts.booked_on,
        max_by(facts.balance_cny, facts.booking_order) as balance_cny
    from numbered as snapshots
    {{ join_known(ref('fct_bank_balance_daily'), months=7) }}
    group by all

),

changes as (

    select
        *,
        balance_cny - coalesce(
            lag(balance_cny) over (
                partition by snapshot, account_id
                order by booked_on
            ), 0
        ) as change_cny
    from balances

),

days as (

    select
        snapshot,
        booked_on,
        sum(change_cny) as change_cny
    from changes
    group by all

),

-- From one day with a booking to the next, the balance over all accounts is the same.
stretches as (

    select
        snapshot,
        booked_on,
        lead(booked_on) over later as next_booked_on,
        sum(change_cny) over later as balance_cny
    from days
    window later as (
        partition by snapshot
        order by booked_on
    )

),

measured as (

    select
        stretches.snapshot,
        greatest(stretches.booked_on, numbered.first_day) as begins_on,
        coalesce(stretches.next_booked_on, numbered.final_day + 1) as ends_before,
        ends_before - begins_on as day_count,
        stretches.balance_cny,
        stretches.balance_cny < 0.05 * outflows.monthly as is_trough
    from stretches
    inner join numbered on stretches.snapshot = numbered.snapshot
    left join outflows on stretches.snapshot = outflows.snapshot
    where ends_before > numbered.first_day

),

troughs as (

    select
        *,
        count(*) filter (where not is_trough) over (
            partition by snapshot
            order by begins_on
        ) as trough
    from measured
    -- Most firms have none.
    where
        snapshot in (
            select low.snapshot
            from measured as low
            where low.is_trough
        )

),

longest as (

    select
        snapshot,
        max(trough_days) as trough_days
    from (
        select
            snapshot,
            sum(day_count) as trough_days
        from troughs
        where is_trough
        group by snapshot, trough
    ) as lengths
    group by snapshot

),

windows as (

    select
        snapshot,
        sum(day_count) as day_count,
        cast(sum(balance_cny * day_count) as double) / sum(day_count) as balance,
        -- A stretch has as many month ends as month boundaries.
        cast(sum(balance_cny * datediff('month', begins_on, ends_before)) as double)
        / nullif(sum(datediff('month', begins_on, ends_before)), 0) as month_end_balance,
        coalesce(sum(day_count) filter (where is_trough), 0) / sum(day_count) as trough_share
    from measured
    group by snapshot

),

final as (

    select
        numbered.firm_id,
        numbered.as_of,
        numbered.through_seq,
        case
            when windows.day_count >= 60 and outflows.monthly > 0
                then greatest(
                        least(windows.balance / (outflows.monthly * 12 / 365.25), 3650), -3650
                    )
        end as bank_days_cash_6m,
        case when windows.day_count >= 60 and outflows.monthly > 0 then windows.trough_share end
            as bank_trough_day_share_6m,
        case
            when windows.day_count >= 60 and outflows.monthly > 0
                then cast(coalesce(longest.trough_days, 0) as double)
        end as bank_longest_trough_days_6m,
        case
            when windows.day_count >= 60 and windows.balance > 0
                then greatest(least(windows.month_end_balance / windows.balance, 10), -10)
        end as bank_month_end_balance_ratio_6m
    from numbered
    left join outflows on numbered.snapshot = outflows.snapshot
    left join windows on numbered.snapshot = windows.snapshot
    left join longest on numbered.snapshot = longest.snapshot

)

select * from final
