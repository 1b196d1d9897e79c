with source as not materialized (

    {{ unmasked('tax_invoice') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        direction,
        invoice_kind,
        issue_time as issued_at,
        cast(issue_time as date) as issued_on,
        {{ with_scheme("case when direction = 'OUT' then buyer_tax_no else seller_tax_no end") }}
            as counterparty_id,
        amount as net_cny,
        tax as tax_cny,
        total as gross_cny,
        status,
        coalesce(is_red, amount < 0) as is_red,
        red_reason,
        void_time as voided_at,
        deduct_period as deducted_month
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'counterparty_id': 'firm'}) }}

)

select * from final
