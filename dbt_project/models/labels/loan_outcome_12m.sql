{% set window_end = "loans.decided_on + interval " ~ var('outcome_months') ~ " month" %}

with loans as (

    select
        firm_id,
        loan_id,
        decided_on,
        decision,
        available_at,
        lead(available_at, 1, date '9999-12-31') over (
            partition by row_id order by record_version
        ) as superseded_at,
        -- One delivery with two decisions on a loan says neither.
        min(decided_on) over (partition by row_id, delivery_seq)
        = max(decided_on) over (partition by row_id, delivery_seq)
        and min(decision) over (partition by row_id, delivery_seq)
        = max(decision) over (partition by row_id, delivery_seq) as is_one_decision
    from {{ ref('stg_lender__loan') }}

),

outcomes as (

    select
        firm_id,
        loan_id,
        outcome,
        outcome_on,
        observed_until,
        outcome in ('DEFAULTED', 'WRITTEN_OFF', 'SOLD', 'RESTRUCTURED') as is_bad,
        available_at,
        lead(available_at, 1, date '9999-12-31') over (
            partition by row_id order by record_version
        ) as superseded_at,
        min(outcome) over (partition by row_id, delivery_seq, observed_until)
        = max(outcome) over (partition by row_id, delivery_seq, observed_until) as is_one_outcome
    from {{ ref('stg_lender__loan_outcome') }}

),

followed as (

    select
        loans.firm_id,
        loans.loan_id,
        loans.decided_on,
        outcomes.outcome,
        outcomes.is_bad,
        outcomes.outcome_on,
        outcomes.observed_until,
        cast({{ window_end }} as date) as window_end,
        cast({{ window_end }} as date) + 1 as matured_at,
        greatest(
            cast({{ window_end }} as date) + 1, loans.available_at, outcomes.available_at
        ) as available_at,
        least(loans.superseded_at, outcomes.superseded_at) as superseded_at
    from loans
    inner join outcomes
        on
            loans.firm_id = outcomes.firm_id
            and loans.loan_id = outcomes.loan_id
            and loans.available_at < outcomes.superseded_at
            and loans.superseded_at > outcomes.available_at
    where
        loans.decision = 'GRANTED'
        and loans.is_one_decision
        and outcomes.is_one_outcome
        -- Days out of order contradict themselves: the loan has no outcome.
        and outcomes.observed_until >= loans.decided_on
        and coalesce(
            outcomes.outcome_on between loans.decided_on and outcomes.observed_until, true
        )

),

judged as (

    select
        *,
        case
            when is_bad and coalesce(outcome_on, observed_until) <= window_end then 'bad'
            -- Bad at a time nobody knows, perhaps within the window.
            when is_bad and outcome_on is null then null
            -- Bad later, repaid, or observed to the end; a repaid loan cannot default any more.
            when is_bad or outcome = 'REPAID' or observed_until >= window_end then 'good'
        end as outcome_12m
    from followed
    where available_at < superseded_at

),

final as (

    select
        firm_id,
        loan_id,
        decided_on as as_of,
        outcome_12m as outcome,
        case when is_bad then coalesce(outcome_on, observed_until) end as defaulted_on,
        matured_at,
        available_at,
        superseded_at
    from judged
    where outcome_12m is not null

)

select * from final
