with snapshots as (

    {{ snapshots_to_build() }}

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        case
            when tax.tax_sales_mean_6m > 0 and bank.bank_operating_in_mean_6m > 0
                then abs(ln(tax.tax_sales_mean_6m / bank.bank_operating_in_mean_6m))
        end as cross_invoice_to_bank_gap_6m,
        case
            when tax.tax_sales_mean_12m > 0 and filed.tax_declared_sales_mean_12m > 0
                then abs(ln(filed.tax_declared_sales_mean_12m / tax.tax_sales_mean_12m))
        end as cross_declared_to_invoiced_gap_12m,
        tax.tax_sales_growth_6m - power.power_growth_3m_yoy as cross_sales_to_power_growth_gap
    from snapshots
    left join {{ ref('feat_tax_monthly') }} as tax using (firm_id, as_of)
    left join {{ ref('feat_returns_monthly') }} as filed using (firm_id, as_of)
    left join {{ ref('feat_bank_monthly') }} as bank using (firm_id, as_of)
    left join {{ ref('feat_power_monthly') }} as power using (firm_id, as_of)

)

select * from final
