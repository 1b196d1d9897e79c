with snapshots as (

    {{ snapshots_to_build() }}

),

bank_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        sum(facts.tax_out_cny) as tax_out_cny,
        sum(facts.unknown_out_cny) as unknown_out_cny,
        sum(facts.turnover_cny) - sum(facts.turnover_in_cny) as turnover_out_cny
    from snapshots
    {{ join_known(ref('fct_bank_monthly'), months=6) }}
    group by all

),

payment_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        sum(facts.paid_cny) as paid_cny
    from snapshots
    {{ join_known(ref('fct_tax_payment_monthly'), months=6) }}
    group by all

),

bank_starts as (

    select
        firm_id,
        as_of,
        min(month) as first_month,
        sum(tax_out_cny) as debited_cny
    from bank_months
    group by firm_id, as_of
    having {{ is_known_flow('sum(unknown_out_cny)', 'sum(turnover_out_cny)') }}

),

tax_debits as (

    select
        bank.firm_id,
        bank.as_of,
        any_value(bank.debited_cny) as debited_cny,
        sum(paid.paid_cny) as paid_cny
    from bank_starts as bank
    inner join payment_months as paid
        on
            bank.firm_id = paid.firm_id
            and bank.as_of = paid.as_of
            and bank.first_month <= paid.month
    group by bank.firm_id, bank.as_of

),

ordered as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.buyer_id,
        sum(facts.ordered_cny) as ordered_cny
    from snapshots
    {{ join_known(ref('fct_supply_buyer_monthly'), months=12) }}
    where facts.buyer_id is not null
    group by all
    having sum(facts.ordered_cny) > 0

),

invoiced as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.counterparty_id as buyer_id,
        sum(facts.net_cny) as invoiced_cny
    from snapshots
    {{ join_known(ref('fct_tax_counterparty_monthly'), months=12) }}
    semi join ordered
        on
            snapshots.firm_id = ordered.firm_id
            and snapshots.as_of = ordered.as_of
    where facts.direction = 'OUT'
    group by all

),

orders as (

    select
        ordered.firm_id,
        ordered.as_of,
        sum(least(ordered.ordered_cny, greatest(coalesce(invoiced.invoiced_cny, 0), 0)))
        / sum(ordered.ordered_cny) as invoiced_share
    from ordered
    -- Without any invoice of the firm the outcome of its orders is unknown.
    semi join invoiced as any_invoice using (firm_id, as_of)
    left join invoiced using (firm_id, as_of, buyer_id)
    group by ordered.firm_id, ordered.as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        case
            when tax.tax_sales_mean_6m > 0 and bank.bank_operating_in_mean_6m > 0
                then least(abs(ln(tax.tax_sales_mean_6m / bank.bank_operating_in_mean_6m)), 10)
        end as cross_invoice_to_bank_gap_6m,
        case
            when tax.tax_sales_mean_12m > 0 and filed.tax_declared_sales_mean_12m > 0
                then least(abs(ln(filed.tax_declared_sales_mean_12m / tax.tax_sales_mean_12m)), 10)
        end as cross_declared_to_invoiced_gap_12m,
        tax.tax_sales_growth_6m - power.power_growth_3m_yoy as cross_sales_to_power_growth_gap,
        case
            when tax_debits.debited_cny > 0 and tax_debits.paid_cny > 0
                then least(abs(ln(tax_debits.debited_cny / tax_debits.paid_cny)), 10)
        end as cross_tax_debits_to_paid_gap_6m,
        orders.invoiced_share as cross_orders_invoiced_share_12m
    from snapshots
    left join {{ ref('feat_tax_monthly') }} as tax using (firm_id, as_of)
    left join {{ ref('feat_returns_monthly') }} as filed using (firm_id, as_of)
    left join {{ ref('feat_bank_monthly') }} as bank using (firm_id, as_of)
    left join {{ ref('feat_power_monthly') }} as power using (firm_id, as_of)
    left join tax_debits using (firm_id, as_of)
    left join orders using (firm_id, as_of)

)

select * from final
