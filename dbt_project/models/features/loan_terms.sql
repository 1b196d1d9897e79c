{#- A row per day on which a loan became known, not per snapshot: its terms count until a newer loan is known. -#}
{{ config(materialized='table') }}

with told as (

    select
        firm_id,
        loan_id,
        available_at as as_of,
        decided_on,
        decision,
        cast(amount_cny as double) as amount_cny,
        term_months,
        cast(instalment_cny as double) as instalment_cny,
        purpose,
        product
    from {{ ref('stg_lender__loan') }}
    -- Terms that became known later say nothing any more.
    where available_at <= decided_on + 366

),

-- The loan decided last among those of the firm that were known on the day.
known as (

    select *
    from told
    qualify
        row_number() over (
            partition by firm_id, as_of
            order by decided_on desc, decision, amount_cny desc nulls last, loan_id
        ) = 1
        and decided_on >= max(decided_on) over (partition by firm_id order by as_of)

),

earlier as (

    select
        known.firm_id,
        known.as_of,
        count(distinct told.loan_id) as granted_count
    from known
    inner join told
        on
            known.firm_id = told.firm_id
            and told.as_of <= known.as_of
            and told.decided_on < known.decided_on
    where told.decision = 'GRANTED'
    group by known.firm_id, known.as_of

),

-- There is a snapshot at each month end.
snapshots as (

    select
        known.firm_id,
        known.as_of,
        every_firm.as_of as snapshot_on
    from known
    inner join {{ ref('firm_snapshots') }} as every_firm
        on
            known.firm_id = every_firm.firm_id
            and known.as_of >= every_firm.as_of
            and every_firm.as_of >= known.as_of - 31
    qualify
        row_number() over (
            partition by known.firm_id, known.as_of order by every_firm.as_of desc
        ) = 1

),

final as (

    select
        known.firm_id,
        known.as_of,
        known.amount_cny as loan_amount,
        cast(known.term_months as double) as loan_term_months,
        case
            when invoices.tax_sales_median_12m > 0
                then {{ within('known.amount_cny / invoices.tax_sales_median_12m', 0, 1000) }}
        end as loan_amount_to_sales,
        case
            when bank.bank_operating_in_mean_6m > 0
                then {{ within('known.instalment_cny / bank.bank_operating_in_mean_6m', 0, 100) }}
        end as loan_instalment_to_receipts,
        known.purpose as loan_purpose,
        known.product as loan_product,
        cast(coalesce(earlier.granted_count, 0) as double) as loan_earlier_count
    from known
    left join earlier
        on known.firm_id = earlier.firm_id and known.as_of = earlier.as_of
    left join snapshots
        on known.firm_id = snapshots.firm_id and known.as_of = snapshots.as_of
    left join {{ ref('feat_invoice_monthly') }} as invoices
        on known.firm_id = invoices.firm_id and snapshots.snapshot_on = invoices.as_of
    left join {{ ref('feat_bank_monthly') }} as bank
        on known.firm_id = bank.firm_id and snapshots.snapshot_on = bank.as_of

)

select * from final
