with observations as (

    select
        observed_on as as_of,
        cast(
            last_day(observed_on + interval {{ var('outcome_months') }} month) + 5 as date
        ) as matured_at
    from (
        select distinct last_day(month) as observed_on
        from {{ ref('fct_loan_monthly') }}
        where month(month) in (3, 6, 9, 12)
    )
    where
        last_day(observed_on + interval {{ var('outcome_months') }} month) + 5
        <= (select max(as_of) from {{ source('ops', 'nights') }})

),

loans as (

    select
        facts.firm_id,
        observations.as_of,
        observations.matured_at,
        facts.month,
        facts.days_past_due,
        facts.available_at,
        facts.superseded_at
    from observations
    inner join {{ ref('fct_loan_monthly') }} as facts
        on facts.month <= observations.as_of + interval {{ var('outcome_months') }} month

),

-- When the outcome was first known, and every later day on which a correction may change it.
moments as (

    select
        firm_id,
        as_of,
        matured_at,
        greatest(matured_at, available_at) as available_at
    from loans
    union
    select
        firm_id,
        as_of,
        matured_at,
        greatest(matured_at, superseded_at) as available_at
    from loans

),

told as (

    select
        moments.firm_id,
        moments.as_of,
        moments.matured_at,
        moments.available_at,
        max(loans.days_past_due) filter (where loans.month <= loans.as_of) as worst_before,
        max(loans.days_past_due) filter (where loans.month > loans.as_of) as worst_after,
        bool_or(last_day(loans.month) = loans.as_of) as is_on_book
    from moments
    inner join loans
        on
            moments.firm_id = loans.firm_id
            and moments.as_of = loans.as_of
            and moments.available_at >= loans.available_at
            and moments.available_at < loans.superseded_at
    group by moments.firm_id, moments.as_of, moments.matured_at, moments.available_at

),

versions as (

    select
        *,
        lead(available_at, 1, date '9999-12-31') over (
            partition by firm_id, as_of order by available_at
        ) as superseded_at
    from told

),

final as (

    select
        versions.firm_id,
        versions.as_of,
        case
            when versions.worst_after >= {{ var('default_days') }} then 'bad'
            when versions.worst_after >= {{ var('arrears_days') }} then 'indeterminate'
            else 'good'
        end as outcome,
        versions.matured_at,
        versions.available_at,
        versions.superseded_at
    from versions
    semi join {{ ref('feat_profile_monthly') }} as profiles
        on
            versions.firm_id = profiles.firm_id
            and versions.as_of = profiles.as_of
            and profiles.profile_observed_months >= {{ var('fewest_months') }}
    where
        versions.worst_before < {{ var('default_days') }}
        and versions.worst_after is not null
        and versions.is_on_book

)

select * from final
