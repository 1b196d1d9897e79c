with source as not materialized (

    {{ unmasked('tax_payment') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        tax_item,
        period_start,
        period_end,
        due_date,
        paid_at as paid_on,
        amount as paid_cny,
        kind
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
