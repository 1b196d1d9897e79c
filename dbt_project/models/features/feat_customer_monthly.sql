with snapshots as (

    {{ snapshots_to_build() }}

),

-- A number instead of firm and date: each has some hundred parties.
numbered as materialized (

    select
        *,
        row_number() over (order by firm_id, as_of) as snapshot
    from snapshots

),

spans as (

    select
        snapshots.snapshot,
        datediff('month', min(facts.month), any_value(snapshots.last_month)) + 1
            as observed_months
    from numbered as snapshots
    {{ join_known(ref('fct_tax_invoice_monthly'), months=24) }}
    group by snapshots.snapshot

),

-- Trade with each customer and supplier in the last year and the previous one.
trade as (

    select
        snapshots.snapshot,
        facts.direction = 'OUT' as is_sale,
        facts.counterparty_id,
        coalesce(sum(facts.net_cny) filter (where facts.month >= snapshots.since_12m), 0) as net,
        coalesce(sum(facts.net_cny) filter (where facts.month < snapshots.since_12m), 0)
            as net_before,
        coalesce(sum(facts.invoice_count) filter (where facts.month >= snapshots.since_12m), 0)
            as invoices,
        coalesce(sum(facts.invoice_count) filter (where facts.month >= snapshots.since_6m), 0)
            as recent_invoices
    from numbered as snapshots
    {{ join_known(ref('fct_tax_counterparty_monthly'), months=24) }}
    where facts.counterparty_id is not null
    group by snapshots.snapshot, facts.direction = 'OUT', facts.counterparty_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by snapshot order by net desc, counterparty_id asc
        ) as place,
        row_number() over (
            partition by snapshot order by net_before desc, counterparty_id asc
        ) as place_before
    from trade
    where is_sale

),

customers as (

    select
        snapshot,
        count(*) filter (where net > 0) as customers,
        cast(sum(net) filter (where net > 0) as double) as sales,
        cast(sum(net) filter (where net > 0 and place <= 5) as double) as top_sales,
        cast(sum(net) filter (where net > 0 and net_before <= 0) as double) as new_sales,
        cast(sum(net) filter (where net > 0 and invoices >= 3) as double) as repeat_sales,
        cast(sum(net) filter (where net > 0 and invoices >= 3 and recent_invoices > 0) as double)
            as stable_sales,
        count(*) filter (where net_before > 0) as customers_before,
        count(*) filter (where net_before > 0 and net > 0) as customers_kept,
        count(*) filter (where net_before > 0 and place_before <= 5) as top_before,
        count(*) filter (where net_before > 0 and place_before <= 5 and recent_invoices = 0)
            as top_lost
    from ranked
    group by snapshot

),

suppliers as (

    select
        snapshot,
        count(*) filter (where net > 0) as suppliers,
        cast(sum({{ squared('net') }}) filter (where net > 0) as double)
        / pow(cast(sum(net) filter (where net > 0) as double), 2) as hhi,
        count(*) filter (where net_before > 0) as suppliers_before,
        count(*) filter (where net_before > 0 and net > 0) as suppliers_kept
    from trade
    where not is_sale
    group by snapshot

),

-- Firms that are both customers and suppliers: the part that flows back.
two_way as (

    select
        sales.snapshot,
        cast(sum(least(sales.net, purchases.net)) as double) as net
    from trade as sales
    inner join trade as purchases
        on
            sales.snapshot = purchases.snapshot
            and sales.counterparty_id = purchases.counterparty_id
            and not purchases.is_sale
    where sales.is_sale and sales.net > 0 and purchases.net > 0
    group by sales.snapshot

),

final as (

    select
        numbered.firm_id,
        numbered.as_of,
        numbered.through_seq,
        case
            when spans.observed_months is not null
                then cast(coalesce(customers.customers, 0) as double)
        end as tax_customer_count_12m,
        coalesce(customers.top_sales, 0) / customers.sales as tax_top5_customer_share_12m,
        case
            when spans.observed_months >= 24
                then coalesce(customers.new_sales, 0) / customers.sales
        end as tax_new_customer_share_12m,
        case
            when spans.observed_months >= 24
                then customers.customers_kept / nullif(customers.customers_before, 0)
        end as tax_customer_retention_24m,
        coalesce(customers.repeat_sales, 0) / customers.sales as tax_repeat_customer_share_12m,
        case
            when spans.observed_months >= 18
                then coalesce(customers.stable_sales, 0) / customers.sales
        end as tax_stable_customer_share_12m,
        case
            when spans.observed_months >= 24
                then customers.top_lost / nullif(customers.top_before, 0)
        end as tax_lost_top_customer_share_24m,
        case
            when spans.observed_months is not null
                then cast(coalesce(suppliers.suppliers, 0) as double)
        end as tax_supplier_count_12m,
        suppliers.hhi as tax_supplier_hhi_12m,
        case
            when spans.observed_months >= 24
                then suppliers.suppliers_kept / nullif(suppliers.suppliers_before, 0)
        end as tax_supplier_retention_24m,
        case
            when customers.sales > 0 then coalesce(two_way.net, 0) / customers.sales
        end as tax_two_way_share_12m
    from numbered
    left join spans on numbered.snapshot = spans.snapshot
    left join customers on numbered.snapshot = customers.snapshot
    left join suppliers on numbered.snapshot = suppliers.snapshot
    left join two_way on numbered.snapshot = two_way.snapshot

)

select * from final
