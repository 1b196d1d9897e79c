with source as not materialized (

    {{ unmasked('annual_statement') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        fiscal_year,
        published_at as published_on,
        revenue as revenue_cny,
        profit as profit_cny,
        total_assets as total_assets_cny,
        total_liabilities as total_liabilities_cny,
        current_assets as current_assets_cny,
        current_liabilities as current_liabilities_cny,
        cash as cash_cny,
        staff as staff_count
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
