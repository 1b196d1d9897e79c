with source as not materialized (

    {{ unmasked('tax_vat_return') }}

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
        coalesce(form_column, 'MONTH') as form_column,
        due_date,
        filed_at as filed_on,
        sales_standard as declared_sales_cny,
        sales_simple as simple_sales_cny,
        sales_export as export_sales_cny,
        sales_exempt as exempt_sales_cny,
        output_tax as output_tax_cny,
        input_tax as input_tax_cny,
        input_transfer_out as input_transfer_out_cny,
        credit_bf as credit_brought_forward_cny,
        payable as payable_cny,
        relief as relief_cny,
        credit_cf as credit_carried_forward_cny,
        due_now as due_now_cny,
        unpaid_close as unpaid_cny,
        is_amended,
        version as return_version
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
