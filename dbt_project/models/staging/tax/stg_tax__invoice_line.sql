with source as not materialized (

    {{ unmasked('tax_invoice_line') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        direction,
        line_no,
        issue_time as issued_at,
        cast(issue_time as date) as issued_on,
        {{ with_scheme("case when direction = 'OUT' then buyer_tax_no else seller_tax_no end") }}
            as counterparty_id,
        goods_code,
        qty as quantity,
        unit_price as unit_price_cny,
        amount as net_cny,
        rate as vat_rate,
        tax as tax_cny
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'counterparty_id': 'firm'}) }}

)

select * from final
