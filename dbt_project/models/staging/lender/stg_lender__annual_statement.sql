with source as (

    {{ unmasked('annual_statement') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        fiscal_year,
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

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        renamed.fiscal_year,
        renamed.revenue_cny,
        renamed.profit_cny,
        renamed.total_assets_cny,
        renamed.total_liabilities_cny,
        renamed.current_assets_cny,
        renamed.current_liabilities_cny,
        renamed.cash_cny,
        renamed.staff_count
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
