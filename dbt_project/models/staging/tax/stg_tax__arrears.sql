with source as not materialized (

    {{ unmasked('tax_arrears') }}

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
        amount as arrears_cny,
        since as arose_on,
        cleared_at as cleared_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
