with source as not materialized (

    {{ unmasked('tax_invoice_summary') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        month,
        invoiced_amount as invoiced_cny,
        invoice_count,
        red_amount as red_cny,
        effective_red_amount as effective_red_cny,
        negative_amount as negative_cny,
        active_days,
        idle_days,
        largest_invoice as largest_invoice_cny
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
