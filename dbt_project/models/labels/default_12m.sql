-- Quarterly observation dates whose 12-month window has closed and been reported by as_of.
with months as (

    select
        firm_id,
        month,
        max(days_past_due) as days_past_due
    from {{ ref('fct_loan_monthly') }}
    where
        available_at <= cast('{{ var("as_of") }}' as date)
        and superseded_at > cast('{{ var("as_of") }}' as date)
    group by firm_id, month

),

observations as (

    select distinct last_day(month) as as_of
    from months
    where
        month(month) in (3, 6, 9, 12)
        and last_day(last_day(month) + interval 12 month) + 5
        <= cast('{{ var("as_of") }}' as date)

),

performance as (

    select
        months.firm_id,
        observations.as_of,
        max(months.days_past_due) filter (
            where months.month <= observations.as_of
        ) as worst_before,
        max(months.days_past_due) filter (
            where months.month > observations.as_of
        ) as worst_after,
        count(*) filter (where last_day(months.month) = observations.as_of) as is_on_book
    from observations
    inner join months
        on months.month <= observations.as_of + interval 12 month
    group by months.firm_id, observations.as_of

),

final as (

    select
        firm_id,
        as_of,
        case
            when worst_after >= 90 then 'bad'
            when worst_after >= 30 then 'indeterminate'
            else 'good'
        end as outcome,
        cast(last_day(as_of + interval 12 month) + 5 as date) as matured_at
    from performance
    semi join {{ ref('feat_profile_monthly') }} as profiles
        on
            performance.firm_id = profiles.firm_id
            and performance.as_of = profiles.as_of
            and profiles.profile_observed_months >= 3
    where
        worst_before < 90
        and worst_after is not null
        and is_on_book > 0

)

select * from final
