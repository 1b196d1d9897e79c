with snapshots as (

    {{ snapshots_to_build() }}

),

invoice_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.sales_cny) as amount
    from snapshots
    {{ join_known(ref('fct_tax_invoice_monthly'), months=24) }}
    group by all

),

bank_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.operating_in_cny) as amount,
        {{ is_known_flow('sum(facts.unknown_in_cny)', 'sum(facts.turnover_in_cny)') }} as is_known
    from snapshots
    {{ join_known(ref('fct_bank_monthly'), months=8) }}
    group by all

),

-- A month of unknown receipts is not a fall.
clouded as (

    select
        firm_id,
        as_of
    from bank_months
    where not is_known

),

known_bank_months as (

    select bank_months.*
    from bank_months
    anti join clouded using (firm_id, as_of)

),

declared_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.declared_sales_cny) as amount
    from snapshots
    {{ join_known(ref('fct_tax_vat_monthly'), months=8) }}
    group by all
    having sum(facts.covered_months) = 1

),

billed_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        datediff('month', facts.month, snapshots.last_month) as age,
        {{ whole_month('facts.energy_kwh') }} as amount
    from snapshots
    {{ join_known(ref('fct_power_bill_monthly'), months=24) }}
    group by snapshots.firm_id, snapshots.as_of, snapshots.last_month, facts.month

),

read_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.month,
        datediff('month', facts.month, snapshots.last_month) as age,
        cast(sum(facts.energy_kwh) as decimal(18, 2)) as amount
    from snapshots
    {{ join_known(ref('fct_power_reading_monthly'), months=24) }}
    group by all

),

power_months as (

    select * from billed_months
    where amount is not null
    union all
    select read_months.*
    from read_months
    anti join billed_months using (firm_id, as_of)

),

-- Returns and bills of the newest month arrive after its end, so no source uses it here.
changes as (

    {%- for source, months, may_be_missing in [
        ('invoices', 'invoice_months', true),
        ('bank', 'known_bank_months', true),
        ('returns', 'declared_months', false),
        ('power', 'power_months', false),
    ] %}
        select
            firm_id,
            as_of,
            '{{ source }}' as source_name,
            case
                when
                    {{ 'max(age) >= 6' if may_be_missing
                        else 'count(*) filter (where age between 1 and 6) = 6' }}
                    and {{ window_sum('amount', 3, skip=4) }} > 0
                    then {{ window_sum('amount', 3, skip=1) }}
                        / {{ window_sum('amount', 3, skip=4) }} - 1
            end as change_3m,
            case
                when
                    {{ 'max(age) >= 15' if may_be_missing
                        else 'count(*) filter (where age between 1 and 3) = 3
                    and count(*) filter (where age between 13 and 15) = 3' }}
                    and {{ window_sum('amount', 3, skip=13) }} > 0
                    then {{ window_sum('amount', 3, skip=1) }}
                        / {{ window_sum('amount', 3, skip=13) }} - 1
            end as change_yoy
        from {{ months }}
        group by firm_id, as_of
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}

),

agreements as (

    select
        invoiced.firm_id,
        invoiced.as_of,
        -- Without a known change of invoiced sales there is nothing to compare with.
        count(others.change_3m - invoiced.change_3m) as compared_sources,
        count(*) filter (
            where abs(others.change_3m - invoiced.change_3m) <= {{ var('agree_within') }}
        ) as agreeing_sources,
        any_value(invoiced.change_yoy) as sales_yoy,
        max(others.change_yoy) filter (where others.source_name = 'power') as power_yoy
    from changes as invoiced
    left join changes as others
        on
            invoiced.firm_id = others.firm_id
            and invoiced.as_of = others.as_of
            and others.source_name <> 'invoices'
    where invoiced.source_name = 'invoices'
    group by invoiced.firm_id, invoiced.as_of

),

-- Logs of sales and of energy against the previous month, if all four are known.
steps as (

    select
        invoiced.firm_id,
        invoiced.as_of,
        invoiced.month,
        ln(invoiced.amount) - lag(ln(invoiced.amount)) over earlier as sales_step,
        ln(power.amount) - lag(ln(power.amount)) over earlier as power_step,
        invoiced.age - lag(invoiced.age) over earlier as months_apart
    from invoice_months as invoiced
    inner join power_months as power using (firm_id, as_of, month)
    where invoiced.amount > 0 and power.amount > 0
    window earlier as (
        partition by invoiced.firm_id, invoiced.as_of order by invoiced.month
    )

),

elasticities as (

    select
        firm_id,
        as_of,
        case
            when count(*) >= 6 and max(power_step) - min(power_step) > 0.01
                then regr_slope(sales_step, power_step order by month)
        end as elasticity
    from steps
    where months_apart = -1
    group by firm_id, as_of

),

-- Months without an invoice are zero in the median.
spikes as (

    select
        firm_id,
        as_of,
        {{ window_sum('amount', 2) }} / 2 as newest,
        list_median(
            list_resize(
                list(cast(amount as double)) filter (where age between 2 and 13), 12, 0
            )
        ) as usual
    from invoice_months
    group by firm_id, as_of
    having max(age) >= 13

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        case
            when agreements.compared_sources > 0 then cast(agreements.agreeing_sources as double)
        end as cross_agreeing_source_count,
        case
            when agreements.sales_yoy is not null and agreements.power_yoy is not null
                then cast(
                        agreements.sales_yoy > 0.2 and agreements.power_yoy < -0.2 as double
                    )
        end as cross_sales_up_power_down,
        case
            when elasticities.elasticity is not null
                then round(greatest(least(elasticities.elasticity, 10), -10), 9)
        end as cross_sales_power_elasticity_24m,
        case
            when spikes.usual > 0 then greatest(least(spikes.newest / spikes.usual, 20), 0)
        end as cross_newest_sales_to_usual_14m
    from snapshots
    left join agreements using (firm_id, as_of)
    left join elasticities using (firm_id, as_of)
    left join spikes using (firm_id, as_of)

)

select * from final
