with snapshots as (

    {{ snapshots_to_build() }}

),

months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.sales_cny) as sales,
        sum(facts.sales_invoice_count) as invoices,
        sum(facts.red_cny) as red,
        sum(facts.red_count) as reds,
        sum(facts.early_red_cny) as early_red,
        sum(facts.late_month_cny) as late_month,
        sum(facts.night_count) as at_night,
        sum(facts.round_count) as round_sums,
        sum(facts.void_cny) as void,
        sum(facts.void_count) as voids,
        sum(facts.issued_count) as issued,
        bit_or(facts.active_days) as active_days
    from snapshots
    {{ join_known(ref('fct_tax_invoice_monthly')) }}
    group by all

),

spans as (

    select
        firm_id,
        as_of,
        max(age) + 1 as observed_months
    from months
    group by firm_id, as_of

),

-- Every month of the last two years since the first known one; without invoices it counts as zero.
series as (

    select
        spans.firm_id,
        spans.as_of,
        spans.observed_months,
        ages.age,
        coalesce(months.sales, 0) as sales,
        coalesce(months.invoices, 0) as invoices,
        coalesce(months.red, 0) as red,
        coalesce(months.reds, 0) as reds,
        coalesce(months.early_red, 0) as early_red,
        coalesce(months.late_month, 0) as late_month,
        coalesce(months.at_night, 0) as at_night,
        coalesce(months.round_sums, 0) as round_sums,
        coalesce(months.void, 0) as void,
        coalesce(months.voids, 0) as voids,
        coalesce(months.issued, 0) as issued
    from spans
    {{ join_every_month('spans', 'observed_months', 'months', 24) }}

),

-- With each month: the previous one, the same one a year before, and the last three.
paired as (

    select
        *,
        lead(sales) over months_back as sales_month_before,
        lead(sales, 12) over months_back as sales_year_before,
        avg(sales) over (
            partition by firm_id, as_of order by age rows between current row and 2 following
        ) as sales_of_three,
        observed_months > age + 2 as has_three
    from series
    window months_back as (partition by firm_id, as_of order by age)

),

windows as (

    select
        firm_id,
        as_of,
        any_value(observed_months) as observed_months,
        least(any_value(observed_months), 12) as window_months,
        median(cast(sales as double)) filter (where age < 12) as median_12m,
        cast(sum(sales) filter (where age < 3) as double) as sales_3m,
        cast(sum(sales) filter (where age between 12 and 14) as double) as sales_3m_year_before,
        cast(sum(sales) filter (where age < 12) as double) as sales_12m,
        cast(sum(sales) filter (where age >= 12) as double) as sales_12m_before,
        regr_slope(ln(1 + greatest(cast(sales as double), 0)), -age order by age) filter (
            where age < 12
        ) as slope_12m,
        max(sales_of_three) filter (where age = 0) as latest_three,
        max(sales_of_three) filter (where age < 10 and has_three) as best_three,
        cast(sum(invoices) filter (where age < 12) as double) as invoices_12m,
        cast(sum(sales + red) filter (where age < 12) as double) as blue_12m,
        cast(sum(reds) filter (where age < 12) as double) as reds_12m,
        cast(sum(void) filter (where age < 12) as double) as void_12m,
        cast(sum(voids) filter (where age < 12) as double) as voids_12m,
        cast(sum(issued) filter (where age < 12) as double) as issued_12m,
        cast(sum(late_month) filter (where age < 12) as double) as late_month_12m,
        cast(sum(at_night) filter (where age < 12) as double) as at_night_12m,
        cast(sum(round_sums) filter (where age < 12) as double) as round_12m,
        cast(sum(early_red) filter (where age < 12) as double) as early_red_12m,
        cast(sum(sales_month_before) filter (where age < 12 and early_red > 0) as double)
            as dressed_12m,
        min(age) filter (where invoices > 0) as zero_streak,
        corr(
            ln(1 + greatest(cast(sales as double), 0)),
            ln(1 + greatest(cast(sales_year_before as double), 0))
            order by age
        ) filter (where age < 12) as seasonality,
        cast(max(sales) filter (where age = 0) as double) as latest,
        cast(max(sales) filter (where age = 12) as double) as latest_year_before,
        stddev_pop(cast(sales as double) order by age) filter (where age between 1 and 12)
            as spread,
        avg(sales) filter (
            where age < 12
            and month(as_of + 1 - interval 1 month - to_months(cast(age as integer))) % 3 = 0
        ) as quarter_ends_mean,
        avg(sales) filter (
            where age < 12
            and month(as_of + 1 - interval 1 month - to_months(cast(age as integer))) % 3 <> 0
        ) as other_months_mean
    from paired
    group by firm_id, as_of

),

-- Days of each month with an invoice, counted from its first.
active_days as (

    select
        firm_id,
        as_of,
        month,
        list_filter(range(31), lambda bit: (active_days >> cast(bit as integer)) & 1 = 1) as days
    from months
    where age < 12 and active_days <> 0

),

-- First and last of these days, and the longest gap between them.
active as (

    select
        firm_id,
        as_of,
        month + cast(list_min(days) as integer) as first_day,
        month + cast(list_max(days) as integer) as last_day,
        array_length(days) as day_count,
        list_max(list_transform(
            range(1, array_length(days)), lambda place: days[place + 1] - days[place]
        )) as longest_gap
    from active_days

),

in_order as (

    select
        *,
        lag(last_day) over (partition by firm_id, as_of order by first_day) as previous_day
    from active

),

gaps as (

    select
        firm_id,
        as_of,
        greatest(max(longest_gap), max(first_day - previous_day)) as max_gap,
        (max(last_day) - min(first_day)) / nullif(sum(day_count) - 1, 0) as mean_gap
    from in_order
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        windows.median_12m as tax_sales_median_12m,
        case
            when windows.observed_months >= 15 and windows.sales_3m_year_before > 0
                then {{ within(
                    'windows.sales_3m / windows.sales_3m_year_before - 1', -10, 10
                ) }}
        end as tax_sales_growth_3m_yoy,
        case
            when windows.observed_months >= 24 and windows.sales_12m_before > 0
                then {{ within('windows.sales_12m / windows.sales_12m_before - 1', -10, 10) }}
        end as tax_sales_growth_12m_yoy,
        case when windows.window_months >= 6 then windows.slope_12m end as tax_sales_slope_12m,
        case
            when windows.window_months >= 6 and windows.best_three > 0
                then {{ within('1 - windows.latest_three / windows.best_three', 0, 10) }}
        end as tax_sales_drawdown_12m,
        windows.invoices_12m / windows.window_months as tax_invoice_count_mean_12m,
        windows.blue_12m / nullif(windows.invoices_12m, 0) as tax_ticket_mean_12m,
        cast(gaps.max_gap as double) as tax_max_gap_days_12m,
        cast(gaps.mean_gap as double) as tax_mean_gap_days_12m,
        cast(
            case
                when windows.observed_months is not null
                    then coalesce(windows.zero_streak, least(windows.observed_months, 24))
            end as double
        ) as tax_zero_streak_months,
        case
            when windows.observed_months >= 24 and isfinite(windows.seasonality)
                then windows.seasonality
        end as tax_sales_seasonality_24m,
        case
            when windows.observed_months >= 13 and windows.spread > 0
                then greatest(least(
                        (windows.latest - windows.latest_year_before) / windows.spread, 10
                    ), -10)
        end as tax_sales_shock_13m,
        windows.voids_12m / windows.window_months as tax_void_count_mean_12m,
        case
            when windows.blue_12m + windows.void_12m > 0
                then {{ within('windows.void_12m / (windows.blue_12m + windows.void_12m)', 0, 1) }}
        end as tax_void_amount_share_12m,
        (windows.voids_12m + windows.reds_12m) / nullif(windows.issued_12m, 0)
            as tax_cancel_share_12m,
        case
            when windows.early_red_12m = 0 then 0
            when windows.dressed_12m > 0
                then least(windows.early_red_12m / windows.dressed_12m, 10)
        end as tax_red_after_quarter_end_12m,
        windows.late_month_12m / nullif(windows.blue_12m, 0) as tax_month_end_share_12m,
        case
            when windows.window_months >= 12 and windows.other_months_mean > 0
                then {{ within('windows.quarter_ends_mean / windows.other_months_mean', -10, 10) }}
        end as tax_quarter_end_spike_12m,
        windows.at_night_12m / nullif(windows.invoices_12m, 0) as tax_night_share_12m,
        windows.round_12m / nullif(windows.invoices_12m, 0) as tax_round_share_12m
    from snapshots
    left join windows using (firm_id, as_of)
    left join gaps using (firm_id, as_of)

)

select * from final
