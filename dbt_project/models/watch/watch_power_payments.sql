with snapshots as (

    {{ snapshots_to_build(spine='watch_snapshots') }}

),

-- If no day of payment of the firm is known, a bill without stated arrears may be paid.
bills as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.due_date,
        case when facts.paid_on <= snapshots.as_of then facts.paid_on end as paid_on,
        coalesce(bool_or(facts.paid_on <= snapshots.as_of) over firms, false)
        or coalesce(facts.arrears_cny, 1) > 0 as is_told
    from snapshots
    inner join {{ ref('fct_power_payment') }} as facts
        on
            snapshots.firm_id = facts.firm_id
            and facts.month > snapshots.as_of - interval 12 month
            and {{ known_at('facts', 'snapshots') }}
    window firms as (partition by snapshots.firm_id, snapshots.as_of)

),

-- Unpaid and overdue, or recently paid late.
measured as (

    select
        firm_id,
        as_of,
        max(case
            when paid_on > as_of - interval 1 month then greatest(paid_on - due_date, 0)
            when paid_on is not null then 0
            when is_told then greatest(as_of - due_date, 0)
        end) as late_days
    from bills
    where due_date is not null
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        cast(measured.late_days as double) as power_late_days
    from snapshots
    left join measured using (firm_id, as_of)

)

select * from final
