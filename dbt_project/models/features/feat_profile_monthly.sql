with snapshots as (

    {{ snapshots_to_build() }}

),

registrations as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        max_by(registered.registered_on, (registered.updated_on, registered.record_version))
            as registered_on,
        max_by(registered.industry_code, (registered.updated_on, registered.record_version))
            as industry_code,
        max_by(registered.taxpayer_type, (registered.updated_on, registered.record_version))
            as taxpayer_type
    from snapshots
    inner join {{ ref('stg_tax__registration') }} as registered
        on
            snapshots.firm_id = registered.firm_id
            and snapshots.as_of >= registered.available_at
    group by all

),

source_months as (

    {%- for source, fact in [
        ('tax', 'fct_tax_invoice_monthly'),
        ('bank', 'fct_bank_monthly'),
        ('supply_chain', 'fct_supply_buyer_monthly'),
        ('power', 'fct_power_bill_monthly'),
        ('power', 'fct_power_reading_monthly'),
    ] %}
        select
            snapshots.firm_id,
            snapshots.as_of,
            '{{ source }}' as source_name,
            datediff('month', min(facts.month), any_value(snapshots.last_month)) + 1 as months,
            max(facts.month) > any_value(snapshots.last_month) - interval 6 month as is_live
        from snapshots
        {{ join_known(ref(fact)) }}
        group by all
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}

),

coverage as (

    select
        firm_id,
        as_of,
        max(months) as observed_months,
        count(distinct source_name) filter (where is_live) as source_count
    from source_months
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        cast(datediff('month', registrations.registered_on, snapshots.as_of) as double)
            as profile_firm_age_months,
        left(registrations.industry_code, 2) as profile_industry,
        registrations.taxpayer_type as profile_taxpayer_type,
        cast(coalesce(coverage.observed_months, 0) as double) as profile_observed_months,
        cast(coalesce(coverage.source_count, 0) as double) as profile_source_count
    from snapshots
    left join registrations using (firm_id, as_of)
    left join coverage using (firm_id, as_of)

)

select * from final
