with snapshots as (

    {{ snapshots_to_build() }}

),

-- The newest published fiscal year, in the version known at as_of.
statements as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        published.* exclude (firm_id)
    from snapshots
    inner join {{ ref('stg_lender__annual_statement') }} as published
        on
            snapshots.firm_id = published.firm_id
            and snapshots.as_of >= published.available_at
    qualify row_number() over (
            partition by snapshots.firm_id, snapshots.as_of
            order by published.fiscal_year desc, published.record_version desc
        ) = 1

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        cast(statements.revenue_cny as double) as statement_revenue,
        cast(statements.total_assets_cny as double) as statement_assets,
        {{ within(
            'cast(statements.total_liabilities_cny as double)
            / nullif(cast(statements.total_assets_cny as double), 0)', -100, 100
        ) }} as statement_debt_ratio,
        {{ within(
            'cast(statements.current_assets_cny as double)
            / nullif(cast(statements.current_liabilities_cny as double), 0)', -100, 100
        ) }} as statement_current_ratio,
        {{ within(
            'cast(statements.profit_cny as double)
            / nullif(cast(statements.revenue_cny as double), 0)', -100, 100
        ) }} as statement_profit_margin,
        {{ within(
            'cast(statements.cash_cny as double)
            / nullif(cast(statements.total_liabilities_cny as double), 0)', -100, 100
        ) }} as statement_cash_ratio,
        {{ within(
            'cast(statements.revenue_cny as double)
            / nullif(cast(statements.total_assets_cny as double), 0)', -100, 100
        ) }} as statement_asset_turnover
    from snapshots
    left join statements using (firm_id, as_of)

)

select * from final
