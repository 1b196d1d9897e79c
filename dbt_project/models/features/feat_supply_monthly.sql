with snapshots as (

    {{ snapshots_to_build() }}

),

core_buyers as (

    select
        firm_id,
        buyer_id,
        is_core_buyer,
        available_at,
        lead(available_at, 1, date '9999-12-31') over (
            partition by row_id order by record_version
        ) as superseded_at
    from {{ ref('stg_supply__relation') }}

),

orders as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        datediff('month', facts.month, snapshots.last_month) as age,
        facts.ordered_cny,
        core_buyers.buyer_id is not null as is_core
    from snapshots
    {{ join_known(ref('fct_supply_buyer_monthly'), months=12) }}
    left join core_buyers
        on
            facts.firm_id = core_buyers.firm_id
            and facts.buyer_id = core_buyers.buyer_id
            and core_buyers.is_core_buyer
            and {{ known_at('core_buyers', 'snapshots') }}

),

-- Without relations it is not known which buyers are core enterprises.
related as (

    select distinct
        snapshots.firm_id,
        snapshots.as_of
    from snapshots
    inner join {{ ref('fct_supply_collected') }} as tables
        on
            snapshots.firm_id = tables.firm_id
            and snapshots.as_of >= tables.available_at
    where tables.table_name = 'sc_relation'
    union
    select
        snapshots.firm_id,
        snapshots.as_of
    from snapshots
    inner join core_buyers
        on
            snapshots.firm_id = core_buyers.firm_id
            and {{ known_at('core_buyers', 'snapshots') }}

),

order_windows as (

    select
        firm_id,
        as_of,
        max(age) + 1 as window_months,
        cast(sum(ordered_cny) as double) as ordered_12m,
        cast({{ window_sum('ordered_cny', 3) }} as double) as ordered_3m,
        cast({{ window_sum('ordered_cny', 6) }} as double) as ordered_6m,
        cast({{ window_sum('ordered_cny', 6, skip=6) }} as double) as ordered_6m_before,
        cast(coalesce(sum(ordered_cny) filter (where is_core), 0) as double) as core_12m
    from orders
    group by firm_id, as_of

),

ordered_months as (

    select
        firm_id,
        as_of,
        age,
        cast(sum(ordered_cny) as double) as ordered
    from orders
    group by firm_id, as_of, age

),

-- A month of the window without an order counts as zero.
order_trends as (

    select
        order_windows.firm_id,
        order_windows.as_of,
        case
            when avg(coalesce(ordered_months.ordered, 0) order by ages.age) > 0
                then least(
                        stddev_pop(coalesce(ordered_months.ordered, 0) order by ages.age)
                        / avg(coalesce(ordered_months.ordered, 0) order by ages.age),
                        10
                    )
        end as cv,
        regr_slope(
            ln(1 + greatest(coalesce(ordered_months.ordered, 0), 0)), -ages.age order by ages.age
        ) as slope
    from order_windows
    {{ join_every_month('order_windows', 'window_months', 'ordered_months', 12) }}
    group by order_windows.firm_id, order_windows.as_of

),

buyers as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.buyer_id,
        sum(facts.ordered_cny) as ordered
    from snapshots
    {{ join_known(ref('fct_supply_buyer_monthly'), months=12) }}
    where facts.buyer_id is not null
    group by all
    having sum(facts.ordered_cny) > 0

),

buyer_shares as (

    select
        firm_id,
        as_of,
        count(*) as buyer_count,
        cast(sum({{ squared('ordered') }}) as double) / pow(cast(sum(ordered) as double), 2) as hhi
    from buyers
    group by firm_id, as_of

),

deliveries as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        sum(facts.on_time_count) / sum(facts.delivery_count) as on_time_share,
        cast(sum(facts.returned_quantity) as double)
        / nullif(cast(sum(facts.quantity) as double), 0) as return_share
    from snapshots
    {{ join_known(ref('fct_supply_delivery_monthly'), months=12) }}
    group by all

),

receivables as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        cast(sum(facts.open_cny) as double)
        / nullif(cast(sum(facts.receivable_cny) as double), 0) as overdue_share,
        cast(sum(facts.confirmed_cny) as double)
        / nullif(cast(sum(facts.receivable_cny) as double), 0) as confirmed_share,
        sum(facts.payment_delay_days) / nullif(sum(facts.paid_count), 0) as payment_delay_days
    from snapshots
    {{ join_known(ref('fct_supply_receivable_monthly'), months=12) }}
    group by all

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        order_windows.ordered_12m / order_windows.window_months as supply_ordered_mean_12m,
        case
            when order_windows.window_months >= 4 and order_windows.ordered_12m > 0
                then {{ within(
                    '(order_windows.ordered_3m / 3)
                    / (order_windows.ordered_12m / order_windows.window_months)', -10, 10
                ) }}
        end as supply_ordered_3m_to_12m,
        case
            when order_windows.window_months = 12 and order_windows.ordered_6m_before > 0
                then {{ within(
                    'order_windows.ordered_6m / order_windows.ordered_6m_before - 1', -10, 10
                ) }}
        end as supply_order_growth_6m,
        case
            when order_windows.ordered_12m > 0 and related.firm_id is not null
                then {{ within('order_windows.core_12m / order_windows.ordered_12m', 0, 1) }}
        end as supply_core_buyer_share_12m,
        deliveries.on_time_share as supply_on_time_share_12m,
        {{ within('deliveries.return_share', 0, 1) }} as supply_return_share_12m,
        {{ within('receivables.overdue_share', 0, 1) }} as supply_overdue_share_12m,
        {{ within('receivables.confirmed_share', 0, 1) }} as supply_confirmed_share_12m,
        receivables.payment_delay_days as supply_payment_delay_days_12m,
        case when order_windows.window_months >= 3 then order_trends.cv end as supply_order_cv_12m,
        case when order_windows.window_months >= 6 then order_trends.slope end
            as supply_order_slope_12m,
        cast(
            case
                when order_windows.window_months is not null
                    then coalesce(buyer_shares.buyer_count, 0)
            end as double
        ) as supply_buyer_count_12m,
        buyer_shares.hhi as supply_buyer_hhi_12m
    from snapshots
    left join order_windows using (firm_id, as_of)
    left join order_trends using (firm_id, as_of)
    left join buyer_shares using (firm_id, as_of)
    left join deliveries using (firm_id, as_of)
    left join receivables using (firm_id, as_of)
    left join related
        on
            snapshots.firm_id = related.firm_id
            and snapshots.as_of = related.as_of

)

select * from final
