with snapshots as (

    {{ snapshots_to_build(spine='watch_snapshots') }}

),

-- A month has several parts if some of its loans became known later.
loan_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        max(facts.days_past_due) as days_past_due
    from snapshots
    inner join {{ ref('fct_loan_monthly') }} as facts
        on
            snapshots.firm_id = facts.firm_id
            and {{ known_at('facts', 'snapshots') }}
    group by snapshots.firm_id, snapshots.as_of, facts.month

),

-- A firm that left the book is not past due by its last month, but in default if it ended so.
loans as (

    select
        firm_id,
        as_of,
        max_by(days_past_due, month) filter (where month >= as_of - interval 3 month)
            as days_past_due,
        max_by(days_past_due, month) >= {{ var('default_days') }} as in_default
    from loan_months
    group by firm_id, as_of

),

-- Legal forms of 个体工商户 and 个人合伙 are text or, as codes, begin with 4.
registered as (

    select
        firm_id,
        available_at,
        province_code,
        contains(registration_type, '个体')
        or contains(registration_type, '个人')
        or regexp_full_match(registration_type, '4[0-9]{2}') as is_individual,
        -- Of entries that became known on one day, the one with the later change.
        (available_at, record_version, updated_on, row_id) as place
    from {{ ref('stg_tax__registration') }}

),

registrations as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        max_by(registered.province_code, registered.place) as province,
        max_by(registered.is_individual, registered.place) as is_individual
    from snapshots
    inner join registered
        on
            snapshots.firm_id = registered.firm_id
            and snapshots.as_of >= registered.available_at
    group by snapshots.firm_id, snapshots.as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        cast(loans.days_past_due as double) as days_past_due,
        coalesce(loans.in_default, false) as in_default,
        coalesce(registrations.is_individual, false) as is_individual,
        registrations.province
    from snapshots
    left join loans using (firm_id, as_of)
    left join registrations using (firm_id, as_of)

)

select * from final
