with snapshots as (

    {{ snapshots_to_build() }}

),

filings as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        sum(facts.filing_count) filter (
            where facts.month > snapshots.last_month - interval 12 month
        ) as filings_12m,
        sum(facts.late_filing_count) filter (
            where facts.month > snapshots.last_month - interval 12 month
        ) as late_filings_12m,
        sum(facts.delay_days) filter (
            where facts.month > snapshots.last_month - interval 12 month
        ) as delay_days_12m,
        sum(facts.filing_count) as filings_24m,
        sum(facts.late_filing_count) as late_filings_24m
    from snapshots
    {{ join_known(ref('fct_tax_vat_monthly'), months=24) }}
    group by snapshots.firm_id, snapshots.as_of

),

payment_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.paid_cny) as paid_cny,
        sum(facts.payment_count) as payment_count,
        sum(facts.late_payment_count) as late_payment_count
    from snapshots
    {{ join_known(ref('fct_tax_payment_monthly'), months=24) }}
    group by all

),

payments as (

    select
        firm_id,
        as_of,
        sum(paid_cny) filter (where age < 12) as paid_12m,
        max(age) filter (where age < 12) + 1 as paid_months_12m,
        sum(late_payment_count) filter (where age < 12)
        / sum(payment_count) filter (where age < 12) as late_share_12m,
        sum(late_payment_count) / sum(payment_count) as late_share_24m,
        min(age) filter (where paid_cny > 0) as months_since_payment
    from payment_months
    group by firm_id, as_of

),

arrears as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        sum(facts.open_cny) as open_cny,
        datediff('month', min(facts.oldest_open_on), snapshots.as_of) as open_months
    from snapshots
    {{ join_known(ref('fct_tax_arrears_monthly')) }}
    group by snapshots.firm_id, snapshots.as_of

),

violations as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        sum(facts.violation_count) as violations,
        sum(facts.violation_count) filter (
            where facts.month > snapshots.last_month - interval 24 month
        ) as violations_24m,
        sum(facts.open_audit_case_count) as open_audit_cases
    from snapshots
    {{ join_known(ref('fct_tax_violation_monthly')) }}
    group by snapshots.firm_id, snapshots.as_of

),

collected as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        coalesce(bool_or(tables.table_name = 'tax_arrears'), false) as has_arrears,
        coalesce(bool_or(tables.table_name = 'tax_violation'), false) as has_violations
    from snapshots
    inner join {{ ref('fct_tax_collected') }} as tables
        on
            snapshots.firm_id = tables.firm_id
            and snapshots.as_of >= tables.available_at
    where tables.table_name in ('tax_arrears', 'tax_violation')
    group by snapshots.firm_id, snapshots.as_of

),

-- A firm without a row of arrears has none if its provider delivers that table; otherwise it is
-- unknown. A row of the firm proves that the table is delivered.
final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        arrears.open_cny is not null or coalesce(collected.has_arrears, false)
            as knows_arrears,
        violations.violations is not null or coalesce(collected.has_violations, false)
            as knows_violations,
        filings.late_filings_12m / nullif(filings.filings_12m, 0) as tax_late_filing_share_12m,
        filings.late_filings_24m / nullif(filings.filings_24m, 0) as tax_late_filing_share_24m,
        filings.delay_days_12m / nullif(filings.filings_12m, 0) as tax_filing_delay_mean_12m,
        payments.paid_12m / payments.paid_months_12m as tax_paid_mean_12m,
        payments.late_share_12m as tax_late_payment_share_12m,
        payments.late_share_24m as tax_late_payment_share_24m,
        cast(payments.months_since_payment as double) as tax_months_since_payment,
        case
            when not knows_arrears then null
            when coalesce(arrears.open_cny, 0) <= 0 then 0
            else
                arrears.open_cny
                / (
                    arrears.open_cny
                    + greatest(
                        coalesce(payments.paid_12m / payments.paid_months_12m, 0), 0
                    ) * 12
                )
        end as tax_arrears_share_12m,
        case
            when knows_arrears then cast(coalesce(arrears.open_months, 0) as double)
        end as tax_arrears_months,
        case
            when knows_violations then cast(coalesce(violations.violations_24m, 0) as double)
        end as tax_violation_count_24m,
        case
            when knows_violations then cast(coalesce(violations.open_audit_cases, 0) > 0 as double)
        end as tax_open_audit_case
    from snapshots
    left join filings using (firm_id, as_of)
    left join payments using (firm_id, as_of)
    left join arrears using (firm_id, as_of)
    left join violations using (firm_id, as_of)
    left join collected using (firm_id, as_of)

)

select * exclude (knows_arrears, knows_violations) from final
