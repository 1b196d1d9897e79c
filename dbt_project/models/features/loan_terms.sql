{#- A row per day on which a loan became known. Always built anew: loans are few. -#}
{{ config(full_refresh=true) }}

with told as (

    select
        firm_id,
        loan_id,
        available_at as as_of,
        delivery_seq as through_seq,
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
            order by decided_on desc, decision asc, amount_cny desc nulls last, loan_id asc
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
            and known.as_of >= told.as_of
            and known.decided_on > told.decided_on
    where told.decision = 'GRANTED'
    group by known.firm_id, known.as_of

),

-- Like the snapshots of other features, each knows what was known on its day.
snapshots as (

    select
        known.firm_id,
        known.as_of,
        {{ last_month('known.as_of') }} as last_month,
        {{ windows_of(last_month('known.as_of')) }}
    from known

),

sales as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        cast(sum(facts.sales_cny) as double)
        / (max(datediff('month', facts.month, snapshots.last_month)) + 1) as monthly_cny
    from snapshots
    {{ join_known(ref('fct_tax_invoice_monthly'), months=12) }}
    group by snapshots.firm_id, snapshots.as_of

),

receipts as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        cast(sum(facts.operating_in_cny) as double)
        / (max(datediff('month', facts.month, snapshots.last_month)) + 1) as monthly_cny,
        {{ is_known_flow('sum(facts.unknown_in_cny)', 'sum(facts.turnover_in_cny)') }} as is_known
    from snapshots
    {{ join_known(ref('fct_bank_monthly'), months=6) }}
    group by snapshots.firm_id, snapshots.as_of

),

final as (

    select
        known.firm_id,
        known.as_of,
        known.through_seq,
        known.amount_cny as loan_amount,
        cast(known.term_months as double) as loan_term_months,
        case
            when sales.monthly_cny > 0
                then {{ within('known.amount_cny / sales.monthly_cny', 0, 1000) }}
        end as loan_amount_to_sales,
        case
            when receipts.is_known and receipts.monthly_cny > 0
                then {{ within('known.instalment_cny / receipts.monthly_cny', 0, 100) }}
        end as loan_instalment_to_receipts,
        known.purpose as loan_purpose,
        known.product as loan_product,
        cast(coalesce(earlier.granted_count, 0) as double) as loan_earlier_count
    from known
    left join earlier
        on known.firm_id = earlier.firm_id and known.as_of = earlier.as_of
    left join sales
        on known.firm_id = sales.firm_id and known.as_of = sales.as_of
    left join receipts
        on known.firm_id = receipts.firm_id and known.as_of = receipts.as_of

)

select * from final
