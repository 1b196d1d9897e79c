with snapshots as (

    {{ snapshots_to_build() }}

),

-- Firms with short data; founders' reports of all others are not read.
short as (

    select snapshots.*
    from snapshots
    inner join {{ ref('feat_profile_monthly') }} as profile using (firm_id, as_of)
    where
        profile.profile_firm_age_months < 12
        or profile.profile_observed_months < {{ var('thin_below_months') }}

),

known as (

    select
        short.firm_id,
        short.as_of,
        reports.founder_no,
        reports.reported_on,
        reports.overdue_count_band,
        reports.longest_overdue_band,
        reports.card_utilisation_band,
        reports.guarantee_balance_band
    from short
    inner join {{ ref('stg_founders__credit') }} as reports
        on
            short.firm_id = reports.firm_id
            and short.as_of >= reports.available_at
    qualify
        row_number() over (
            partition by short.firm_id, short.as_of, reports.row_id
            order by reports.record_version desc
        ) = 1

),

newest as (

    select *
    from known
    qualify reported_on = max(reported_on) over (partition by firm_id, as_of, founder_no)

),

worst as (

    select
        firm_id,
        as_of,
        max(list_position(
            ['NONE', 'ONE_OR_TWO', 'THREE_TO_FIVE', 'SIX_OR_MORE'], overdue_count_band
        )) - 1 as overdue_count_rank,
        max(list_position(
            ['NONE', 'UP_TO_30', 'UP_TO_90', 'OVER_90'], longest_overdue_band
        )) - 1 as longest_overdue_rank,
        max(list_position(
            ['UNDER_30', 'FROM_30_TO_70', 'FROM_70_TO_90', 'OVER_90'], card_utilisation_band
        )) as card_utilisation_rank,
        max(list_position(
            ['NONE', 'UP_TO_100K', 'UP_TO_1M', 'OVER_1M'], guarantee_balance_band
        )) - 1 as guarantee_rank,
        datediff('month', max(reported_on), as_of) as report_age_months
    from newest
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        cast(worst.overdue_count_rank as double) as founder_overdue_count_rank,
        cast(worst.longest_overdue_rank as double) as founder_longest_overdue_rank,
        cast(worst.card_utilisation_rank as double) as founder_card_utilisation_rank,
        cast(worst.guarantee_rank as double) as founder_guarantee_rank,
        cast(worst.report_age_months as double) as founder_report_age_months
    from snapshots
    left join worst using (firm_id, as_of)

)

select * from final
