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
            as taxpayer_type,
        max_by(registered.status, (registered.updated_on, registered.record_version)) as status,
        -- The first known entry is not a change.
        count(distinct registered.updated_on) filter (
            where registered.updated_on > snapshots.as_of - interval 12 month
        )
        - cast(min(registered.updated_on) > snapshots.as_of - interval 12 month as integer)
            as changes_12m
    from snapshots
    inner join {{ ref('stg_tax__registration') }} as registered
        on
            snapshots.firm_id = registered.firm_id
            and snapshots.as_of >= registered.available_at
    group by snapshots.firm_id, snapshots.as_of

),

grades as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        facts.assessed_year,
        max(facts.grade_rank) as grade_rank,
        bool_or(facts.is_unrated) as is_unrated
    from snapshots
    {{ join_known(ref('fct_tax_grade_monthly')) }}
    group by all

),

newest_grade as (

    select
        firm_id,
        as_of,
        assessed_year,
        grade_rank,
        is_unrated,
        grade_rank - max(grade_rank) over (
            partition by firm_id, as_of
            order by assessed_year
            range between 1 preceding and 1 preceding
        ) as drop_1y
    from grades
    qualify row_number() over (partition by firm_id, as_of order by assessed_year desc) = 1

),

invoice_months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        count(distinct facts.month) filter (where facts.sales_invoice_count > 0) as months
    from snapshots
    {{ join_known(ref('fct_tax_invoice_monthly')) }}
    group by snapshots.firm_id, snapshots.as_of

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
        count(distinct source_name) filter (where is_live) as source_count,
        coalesce(bool_or(is_live) filter (where source_name = 'tax'), false) as has_tax,
        coalesce(bool_or(is_live) filter (where source_name = 'bank'), false) as has_bank,
        coalesce(bool_or(is_live) filter (where source_name = 'supply_chain'), false)
            as has_supply_chain,
        coalesce(bool_or(is_live) filter (where source_name = 'power'), false) as has_power
    from source_months
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        -- A day of registration that is still to come says nothing.
        case
            when registrations.registered_on <= snapshots.as_of
                then cast(datediff('month', registrations.registered_on, snapshots.as_of) as double)
        end as profile_firm_age_months,
        left(registrations.industry_code, 2) as profile_industry,
        registrations.taxpayer_type as profile_taxpayer_type,
        cast(coalesce(coverage.observed_months, 0) as double) as profile_observed_months,
        cast(coalesce(coverage.source_count, 0) as double) as profile_source_count,
        cast(coalesce(coverage.has_tax, false) as double) as profile_has_tax,
        cast(coalesce(coverage.has_bank, false) as double) as profile_has_bank,
        cast(coalesce(coverage.has_supply_chain, false) as double) as profile_has_supply_chain,
        cast(coalesce(coverage.has_power, false) as double) as profile_has_power,
        case
            when profile_firm_age_months is not null or invoice_months.months is not null
                then cast(
                        coalesce(profile_firm_age_months < 12, false)
                        or coalesce(invoice_months.months, 0) < 6
                        as double
                    )
        end as profile_thin_file,
        cast(newest_grade.grade_rank as double) as profile_tax_grade,
        cast(newest_grade.drop_1y as double) as profile_tax_grade_drop,
        cast(newest_grade.is_unrated as double) as profile_tax_grade_unrated,
        cast(registrations.status in ('ABNORMAL', 'DEREGISTERED') as double)
            as profile_status_abnormal,
        cast(registrations.changes_12m as double) as profile_registration_changes_12m
    from snapshots
    left join registrations using (firm_id, as_of)
    left join newest_grade using (firm_id, as_of)
    left join invoice_months using (firm_id, as_of)
    left join coverage using (firm_id, as_of)

)

select * from final
