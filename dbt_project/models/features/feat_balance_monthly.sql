with snapshots as (

    {{ snapshots_to_build() }}

),

outflows as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        cast(sum(facts.operating_out_cny) as double)
        / (max(datediff('month', facts.month, snapshots.last_month)) + 1) as monthly
    from snapshots
    {{ join_known(ref('fct_bank_monthly'), months=6) }}
    group by snapshots.firm_id, snapshots.as_of

),

-- One month more than is measured: an account keeps its balance until the next booking.
balances as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.account_id,
        facts.booked_on,
        cast(snapshots.last_month - interval 5 month as date) as first_day,
        last_day(snapshots.last_month) as final_day,
        max_by(facts.balance_cny, (facts.last_booked_at, facts.last_row_id)) as balance_cny
    from snapshots
    {{ join_known(ref('fct_bank_balance_daily'), months=7) }}
    group by all

),

changes as (

    select
        *,
        balance_cny - coalesce(
            lag(balance_cny) over (
                partition by firm_id, as_of, account_id
                order by booked_on
            ), 0
        ) as change_cny
    from balances

),

days as (

    select
        firm_id,
        as_of,
        booked_on,
        first_day,
        final_day,
        sum(change_cny) as change_cny
    from changes
    group by all

),

-- From one day with a booking to the next, the balance over all accounts is the same.
stretches as (

    select
        firm_id,
        as_of,
        first_day,
        greatest(booked_on, first_day) as begins_on,
        lead(booked_on, 1, final_day + 1) over later as ends_before,
        sum(change_cny) over later as balance_cny
    from days
    window later as (
        partition by firm_id, as_of
        order by booked_on
    )

),

measured as (

    select
        stretches.firm_id,
        stretches.as_of,
        stretches.begins_on,
        stretches.ends_before,
        stretches.ends_before - stretches.begins_on as day_count,
        stretches.balance_cny,
        outflows.monthly as outflow,
        stretches.balance_cny < 0.05 * outflows.monthly as is_trough
    from stretches
    left join outflows
        on
            stretches.firm_id = outflows.firm_id
            and stretches.as_of = outflows.as_of
    where stretches.ends_before > stretches.first_day

),

troughs as (

    select
        *,
        count(*) filter (where not is_trough) over (
            partition by firm_id, as_of
            order by begins_on
        ) as trough
    from measured

),

longest as (

    select
        firm_id,
        as_of,
        max(trough_days) as trough_days
    from (
        select
            firm_id,
            as_of,
            sum(day_count) filter (where is_trough) as trough_days
        from troughs
        group by firm_id, as_of, trough
    ) as lengths
    group by firm_id, as_of

),

windows as (

    select
        firm_id,
        as_of,
        any_value(outflow) as outflow,
        sum(day_count) as day_count,
        cast(sum(balance_cny * day_count) as double) / sum(day_count) as balance,
        coalesce(sum(day_count) filter (where is_trough), 0) / sum(day_count) as trough_share
    from measured
    group by firm_id, as_of

),

ages as (

    select unnest(range(6)) as age

),

month_ends as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        cast(sum(measured.balance_cny) as double) / count(*) as balance
    from snapshots
    cross join ages
    inner join measured
        on
            snapshots.firm_id = measured.firm_id
            and snapshots.as_of = measured.as_of
            and last_day(snapshots.last_month - to_months(cast(ages.age as integer)))
            between measured.begins_on and measured.ends_before - 1
    group by snapshots.firm_id, snapshots.as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        case
            when windows.day_count >= 60 and windows.outflow > 0
                then greatest(
                        least(windows.balance / (windows.outflow * 12 / 365.25), 3650), -3650
                    )
        end as bank_days_cash_6m,
        case when windows.day_count >= 60 and windows.outflow > 0 then windows.trough_share end
            as bank_trough_day_share_6m,
        case
            when windows.day_count >= 60 and windows.outflow > 0
                then cast(coalesce(longest.trough_days, 0) as double)
        end as bank_longest_trough_days_6m,
        case
            when windows.day_count >= 60 and windows.balance > 0
                then greatest(least(month_ends.balance / windows.balance, 10), -10)
        end as bank_month_end_balance_ratio_6m
    from snapshots
    left join windows
        on
            snapshots.firm_id = windows.firm_id
            and snapshots.as_of = windows.as_of
    left join longest
        on
            snapshots.firm_id = longest.firm_id
            and snapshots.as_of = longest.as_of
    left join month_ends
        on
            snapshots.firm_id = month_ends.firm_id
            and snapshots.as_of = month_ends.as_of

)

select * from final
