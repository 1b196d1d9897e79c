with snapshots as (

    {{ snapshots_to_build() }}

),

return_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.last_month,
        facts.month,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.declared_sales_cny) as declared_sales_cny,
        sum(facts.payable_cny) as payable_cny,
        sum(facts.credit_carried_forward_cny) as credit_cny,
        sum(facts.covered_months) as covered_months,
        sum(facts.return_count) as return_count,
        sum(facts.amended_count) as amended_count
    from snapshots
    {{ join_known(ref('fct_tax_vat_monthly'), months=24) }}
    group by all

),

invoice_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        sum(facts.sales_cny) as invoiced_cny
    from snapshots
    {{ join_known(ref('fct_tax_invoice_monthly'), months=12) }}
    group by all

),

first_invoices as (

    select
        firm_id,
        as_of,
        min(month) as first_month
    from invoice_months
    group by firm_id, as_of

),

-- Declared against invoiced sales in the months that the return covers.
declared_and_invoiced as (

    select
        return_months.firm_id,
        return_months.as_of,
        return_months.month,
        any_value(return_months.declared_sales_cny) as declared_sales_cny,
        coalesce(sum(invoice_months.invoiced_cny), 0) as invoiced_cny
    from return_months
    inner join first_invoices
        on
            return_months.firm_id = first_invoices.firm_id
            and return_months.as_of = first_invoices.as_of
            and return_months.month >= first_invoices.first_month
    left join invoice_months
        on
            return_months.firm_id = invoice_months.firm_id
            and return_months.as_of = invoice_months.as_of
            and return_months.month <= invoice_months.month
            and return_months.month + to_months(cast(return_months.covered_months as integer))
            > invoice_months.month
    where return_months.age < 12 and return_months.return_count > 0
    group by return_months.firm_id, return_months.as_of, return_months.month

),

gaps as (

    select
        firm_id,
        as_of,
        case
            when sum(invoiced_cny) > 0
                then least(abs(sum(declared_sales_cny) / sum(invoiced_cny) - 1), 10)
        end as declared_to_invoiced_gap
    from declared_and_invoiced
    group by firm_id, as_of

),

returns as (

    select
        firm_id,
        as_of,
        sum(declared_sales_cny) filter (where age < 12) as declared_12m,
        sum(covered_months) filter (where age < 12) as covered_12m,
        sum(payable_cny) filter (where age < 12) as payable_12m,
        arg_max(credit_cny, month) filter (where return_count > 0 and age < 12) as credit_cny,
        sum(amended_count) filter (where age < 12) as amended_12m,
        sum(return_count) filter (where age < 12) as returns_12m,
        count(*) filter (where age < 12 and return_count > 0) as declared_months_12m,
        count(*) filter (where age < 12 and return_count > 0 and declared_sales_cny = 0)
            as zero_months_12m
    from return_months
    group by firm_id, as_of

),

income_returns as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        facts.period_kind,
        facts.period_start,
        datediff('month', facts.period_start, facts.month) + 1 as period_months,
        sum(facts.revenue_cny) as revenue_cny,
        sum(facts.profit_cny) as profit_cny
    from snapshots
    {{ join_known(ref('fct_tax_cit_monthly'), months=24) }}
    group by all

),

-- The settlement of a year comes months after the prepayment for its last quarter and replaces it.
newest_income_return as (

    select *
    from income_returns
    qualify row_number() over (
            partition by firm_id, as_of
            order by month desc, period_kind = 'YEAR' desc, period_start asc, period_kind asc
        ) = 1

),

declared_in_period as (

    select
        income.firm_id,
        income.as_of,
        case
            when
                sum(return_months.covered_months) = any_value(income.period_months)
                and sum(return_months.declared_sales_cny) > 0
                then least(
                        abs(
                            any_value(income.revenue_cny)
                            / sum(return_months.declared_sales_cny) - 1
                        ), 10
                    )
        end as revenue_gap
    from newest_income_return as income
    inner join return_months
        on
            income.firm_id = return_months.firm_id
            and income.as_of = return_months.as_of
            and return_months.month between income.period_start and income.month
    group by income.firm_id, income.as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        returns.declared_12m / nullif(returns.covered_12m, 0) as tax_declared_sales_mean_12m,
        returns.zero_months_12m / nullif(returns.declared_months_12m, 0)
            as tax_zero_declaration_share_12m,
        returns.amended_12m / nullif(returns.returns_12m, 0) as tax_amended_return_share_12m,
        case
            when returns.declared_12m > 0
                then greatest(least(returns.payable_12m / returns.declared_12m, 1), -1)
        end as tax_vat_burden_12m,
        case
            when returns.declared_12m > 0 and returns.covered_12m > 0
                then {{ within(
                    'returns.credit_cny / (returns.declared_12m / returns.covered_12m)', -100, 100
                ) }}
        end as tax_credit_to_sales_12m,
        gaps.declared_to_invoiced_gap as tax_declared_to_invoiced_gap_12m,
        declared_in_period.revenue_gap as tax_income_to_vat_revenue_gap,
        case
            when income.revenue_cny > 0 and income.profit_cny is not null
                then greatest(least(income.profit_cny / income.revenue_cny, 1), -5)
        end as tax_income_margin
    from snapshots
    left join returns using (firm_id, as_of)
    left join gaps using (firm_id, as_of)
    left join newest_income_return as income using (firm_id, as_of)
    left join declared_in_period using (firm_id, as_of)

)

select * from final
