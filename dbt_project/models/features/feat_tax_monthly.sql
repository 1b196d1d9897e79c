with snapshots as (

    {{ snapshots_to_build() }}

),

months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.sales_cny) as sales_cny,
        sum(facts.sales_invoice_count) as sales_invoice_count,
        sum(facts.red_cny) as red_cny,
        sum(facts.void_count) as void_count,
        sum(facts.issued_count) as issued_count,
        max(facts.largest_invoice_cny) as largest_invoice_cny,
        max(facts.last_issued_on) as last_issued_on,
        bit_count(bit_or(facts.active_days)) as active_days,
        sum(facts.purchases_cny) as purchases_cny
    from snapshots
    {{ join_known(ref('fct_tax_invoice_monthly')) }}
    group by all

),

invoices as (

    select
        firm_id,
        as_of,
        max(age) + 1 as observed_months,
        least(max(age) + 1, 12) as window_months,
        least(max(age) + 1, 6) as window_months_6m,
        least(max(age) + 1, 3) as window_months_3m,
        cast({{ window_sum('sales_cny', 12) }} as double) as sales_12m,
        cast({{ window_sum('sales_cny', 3) }} as double) as sales_3m,
        cast({{ window_sum('sales_cny', 6) }} as double) as sales_6m,
        cast({{ window_sum('sales_cny', 6, skip=6) }} as double) as sales_6m_before,
        cast({{ window_sum(squared('sales_cny'), 12) }} as double) as sales_squared_12m,
        cast(sum(sales_cny) as double) as sales_total,
        cast(sum(sales_invoice_count) as double) as invoice_count_total,
        count(*) filter (where age < 12 and sales_invoice_count > 0) as active_months_12m,
        {{ window_sum('active_days', 12) }} as active_days_12m,
        {{ window_sum('red_cny', 12) }} as red_12m,
        cast({{ window_sum('sales_cny + red_cny', 12) }} as double) as blue_12m,
        {{ window_sum('void_count', 12) }} as void_12m,
        {{ window_sum('issued_count', 12) }} as issued_12m,
        max(largest_invoice_cny) filter (where age < 12) as largest_invoice_12m,
        max(last_issued_on) as last_issued_on,
        cast({{ window_sum('purchases_cny', 12) }} as double) as purchases_12m
    from months
    group by firm_id, as_of

),

counterparty_totals as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.direction,
        facts.counterparty_id,
        sum(facts.net_cny) as net_cny,
        max(facts.month) > any_value(snapshots.last_month) - interval 6 month as is_recent
    from snapshots
    {{ join_known(ref('fct_tax_counterparty_monthly'), months=12) }}
    where facts.counterparty_id is not null
    group by all
    having sum(facts.net_cny) > 0

),

counterparties as (

    select
        firm_id,
        as_of,
        count(*) filter (where direction = 'OUT' and is_recent) as customer_count,
        count(*) filter (where direction = 'IN' and is_recent) as supplier_count,
        cast(sum({{ squared('net_cny') }}) filter (where direction = 'OUT') as double)
        / pow(cast(sum(net_cny) filter (where direction = 'OUT') as double), 2) as customer_hhi,
        cast(max(net_cny) filter (where direction = 'OUT') as double)
        / cast(sum(net_cny) filter (where direction = 'OUT') as double) as top_customer_share
    from counterparty_totals
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        invoices.sales_12m / invoices.window_months as tax_sales_mean_12m,
        invoices.sales_6m / invoices.window_months_6m as tax_sales_mean_6m,
        invoices.sales_3m / invoices.window_months_3m as tax_sales_mean_3m,
        case
            when invoices.observed_months >= 4 and invoices.sales_12m > 0
                then {{ within(
                    '(invoices.sales_3m / 3) / (invoices.sales_12m / invoices.window_months)', -10, 10
                ) }}
        end as tax_sales_3m_to_12m,
        case
            when invoices.observed_months >= 12 and invoices.sales_6m_before > 0
                then {{ within('invoices.sales_6m / invoices.sales_6m_before - 1', -10, 10) }}
        end as tax_sales_growth_6m,
        {{ coefficient_of_variation(
            'invoices.sales_12m', 'invoices.sales_squared_12m', 'invoices.window_months'
        ) }} as tax_sales_cv_12m,
        invoices.sales_total / invoices.observed_months as tax_sales_mean_month,
        invoices.invoice_count_total as tax_invoice_count_total,
        invoices.active_months_12m / invoices.window_months as tax_active_month_share_12m,
        invoices.active_days_12m / invoices.window_months as tax_active_days_mean_12m,
        cast(snapshots.as_of - invoices.last_issued_on as double) as tax_days_since_last_invoice,
        case
            when invoices.sales_12m > 0
                then least(invoices.largest_invoice_12m / invoices.sales_12m, 1)
        end as tax_max_invoice_share_12m,
        case
            when invoices.issued_12m > 0 then invoices.void_12m / invoices.issued_12m
        end as tax_void_share_12m,
        case
            when invoices.blue_12m > 0
                then least(invoices.red_12m / invoices.blue_12m, 10)
        end as tax_red_share_12m,
        case
            when invoices.sales_12m > 0
                then {{ within('invoices.purchases_12m / invoices.sales_12m', -100, 100) }}
        end as tax_purchase_to_sales_12m,
        case
            when invoices.firm_id is not null
                then cast(coalesce(counterparties.customer_count, 0) as double)
        end as tax_customer_count_6m,
        case
            when invoices.firm_id is not null
                then cast(coalesce(counterparties.supplier_count, 0) as double)
        end as tax_supplier_count_6m,
        counterparties.customer_hhi as tax_customer_hhi_12m,
        counterparties.top_customer_share as tax_top_customer_share_12m
    from snapshots
    left join invoices using (firm_id, as_of)
    left join counterparties using (firm_id, as_of)

)

select * from final
