with source as not materialized (

    {{ unmasked('tax_cit_return') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        period_start,
        period_end,
        period_kind,
        filed_at as filed_on,
        revenue as revenue_cny,
        cost as cost_cny,
        profit as profit_cny,
        taxable_income as taxable_income_cny,
        payable as payable_cny,
        staff_avg as average_staff,
        assets_avg as average_assets_cny
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
