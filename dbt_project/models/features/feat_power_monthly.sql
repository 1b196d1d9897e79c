with snapshots as (

    {{ snapshots_to_build(lag_days=10) }}

),

-- A month is observed once bills cover half of its days; the covered part is scaled to all of it.
bills as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        datediff('month', facts.month, snapshots.last_month) as age,
        {{ whole_month('facts.energy_kwh') }} as energy_kwh,
        {{ whole_month('facts.valley_kwh') }} as valley_kwh,
        sum(facts.billed_cny) as billed_cny,
        sum(facts.arrears_cny) as arrears_cny
    from snapshots
    {{ join_known(ref('fct_power_bill_monthly'), months=24) }}
    group by snapshots.firm_id, snapshots.as_of, snapshots.last_month, facts.month

),

readings as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        datediff('month', facts.month, snapshots.last_month) as age,
        cast(sum(facts.energy_kwh) as decimal(18, 2)) as energy_kwh,
        cast(null as decimal(18, 2)) as valley_kwh,
        cast(null as decimal(38, 2)) as billed_cny,
        cast(null as decimal(38, 2)) as arrears_cny
    from snapshots
    {{ join_known(ref('fct_power_reading_monthly'), months=24) }}
    group by all

),

-- A firm is measured by its bills; daily readings are used if no bill is known.
months as (

    select * from bills
    union all
    select readings.*
    from readings
    anti join bills using (firm_id, as_of)

),

windows as (

    select
        firm_id,
        as_of,
        least(max(age) filter (where energy_kwh is not null) + 1, 12) as window_months,
        cast({{ window_sum('energy_kwh', 12) }} as double) as energy_12m,
        cast({{ window_sum(squared('energy_kwh'), 12) }} as double) as energy_squared_12m,
        cast(sum(energy_kwh) filter (where age < 3) as double) as energy_3m,
        cast(sum(energy_kwh) filter (where age between 12 and 14) as double)
            as energy_3m_year_before,
        max(age) filter (where energy_kwh is not null) >= 14 as has_year_before,
        median(cast(energy_kwh as double)) filter (where age < 12) as median_12m,
        list(energy_kwh) filter (where age < 12 and energy_kwh is not null) as energies_12m,
        cast(sum(valley_kwh) filter (where age < 12) as double) as valley_12m,
        max(age) filter (where energy_kwh is not null) + 1 as observed_months,
        cast(sum(energy_kwh) filter (where age >= 12) as double) as energy_12m_before,
        regr_slope(ln(1 + greatest(cast(energy_kwh as double), 0)), -age order by age) filter (
            where age < 12
        ) as slope_12m,
        count(energy_kwh) filter (where age < 12) as months_12m,
        cast(arg_min(energy_kwh, age) as double) as latest,
        cast(max(energy_kwh) filter (where age between 1 and 12) as double) as highest,
        cast(sum(valley_kwh) filter (where age < 6) as double)
        / nullif(cast(sum(energy_kwh) filter (where age < 6) as double), 0) as valley_share_6m,
        cast(sum(valley_kwh) filter (where age between 6 and 11) as double)
        / nullif(cast(sum(energy_kwh) filter (where age between 6 and 11) as double), 0)
            as valley_share_6m_before,
        cast(sum(arrears_cny) filter (where age < 12) as double)
        / nullif(greatest(cast(sum(billed_cny) filter (where age < 12) as double), 0), 0)
            as arrears_to_bills
    from months
    group by firm_id, as_of

),

-- If no day of payment of the firm is known, a bill without stated arrears may be paid.
payments as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.due_date,
        case when facts.paid_on <= snapshots.as_of then facts.paid_on end as paid_on,
        coalesce(bool_or(facts.paid_on <= snapshots.as_of) over firms, false)
        or coalesce(facts.arrears_cny, 1) > 0 as is_told
    from snapshots
    {{ join_known(ref('fct_power_payment'), months=12) }}
    window firms as (partition by snapshots.firm_id, snapshots.as_of)

),

-- An open bill is as late as it is overdue.
delays as (

    select
        firm_id,
        as_of,
        case
            when paid_on is not null then greatest(paid_on - due_date, 0)
            when is_told and due_date < as_of then as_of - due_date
        end as delay_days,
        is_told
    from payments

),

punctuality as (

    select
        firm_id,
        as_of,
        count(*) filter (where delay_days > 0)
        / nullif(count(*) filter (where is_told), 0) as late_payment_share,
        avg(delay_days) as payment_delay_days
    from delays
    group by firm_id, as_of

),

-- The newest Spring Festival with 45 days passed since, none if its day is not known;
-- usual energy is that of the median day from 60 to 15 days before.
festivals as (

    select
        firm_id,
        as_of,
        last_month,
        since_18m,
        case
            when spring_festival(year(last_month)) + 45 <= last_day(last_month)
                then spring_festival(year(last_month))
            when spring_festival(year(last_month)) + 45 > last_day(last_month)
                then spring_festival(year(last_month) - 1)
        end as festival
    from snapshots

),

festival_days as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.reading_date - snapshots.festival as day,
        sum(facts.energy_kwh) as energy_kwh
    from festivals as snapshots
    {{ join_known(ref('fct_power_reading_daily'), months=18) }}
    where facts.reading_date between snapshots.festival - 60 and snapshots.festival + 44
    group by all

),

usual_days as (

    select
        firm_id,
        as_of,
        median(cast(energy_kwh as double)) as energy_kwh
    from festival_days
    where day <= -15
    group by firm_id, as_of
    having count(*) >= 20 and median(cast(energy_kwh as double)) > 0

),

restarts as (

    select
        festival_days.firm_id,
        festival_days.as_of,
        cast(coalesce(
            min(festival_days.day) filter (
                where festival_days.energy_kwh >= 0.5 * usual_days.energy_kwh
            ), 45
        ) as double) as lag_days
    from festival_days
    inner join usual_days using (firm_id, as_of)
    where festival_days.day >= 0
    group by festival_days.firm_id, festival_days.as_of
    having count(*) >= 30

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        windows.energy_12m / windows.window_months as power_energy_mean_12m,
        case
            when windows.window_months >= 4 and windows.energy_12m > 0
                then {{ within(
                    '(coalesce(windows.energy_3m, 0) / 3)
                    / (windows.energy_12m / windows.window_months)', -10, 10
                ) }}
        end as power_energy_3m_to_12m,
        case
            when windows.has_year_before and windows.energy_3m_year_before > 0
                then {{ within(
                    'coalesce(windows.energy_3m, 0) / windows.energy_3m_year_before - 1', -10, 10
                ) }}
        end as power_growth_3m_yoy,
        {{ coefficient_of_variation(
            'windows.energy_12m', 'windows.energy_squared_12m', 'windows.window_months'
        ) }} as power_cv_12m,
        array_length(list_filter(
            windows.energies_12m, lambda energy: energy < 0.1 * windows.median_12m
        )) / windows.window_months as power_shutdown_month_share_12m,
        case
            when windows.energy_12m > 0
                then {{ within('windows.valley_12m / windows.energy_12m', 0, 1) }}
        end as power_valley_share_12m,
        punctuality.late_payment_share as power_late_payment_share_12m,
        case
            when windows.observed_months >= 24 and windows.energy_12m_before > 0
                then {{ within('windows.energy_12m / windows.energy_12m_before - 1', -10, 10) }}
        end as power_growth_12m_yoy,
        case when windows.months_12m >= 6 then windows.slope_12m end as power_slope_12m,
        case
            when windows.observed_months >= 4 and windows.highest > 0
                then {{ within('windows.latest / windows.highest', -10, 10) }}
        end as power_utilisation_13m,
        {{ within('abs(windows.valley_share_6m - windows.valley_share_6m_before)', 0, 1) }}
            as power_valley_share_change_12m,
        punctuality.payment_delay_days as power_payment_delay_days_12m,
        {{ within('windows.arrears_to_bills', 0, 10) }} as power_arrears_to_bills_12m,
        restarts.lag_days as power_restart_lag_days
    from snapshots
    left join windows using (firm_id, as_of)
    left join punctuality using (firm_id, as_of)
    left join restarts using (firm_id, as_of)

)

select * from final
