with source as not materialized (

    {{ unmasked('sc_order') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        order_no as order_id,
        {{ with_scheme("buyer_uscc") }} as buyer_id,
        order_date as ordered_on,
        amount as ordered_cny,
        qty as ordered_quantity,
        due_date,
        status
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'order_id': 'order', 'buyer_id': 'firm'}) }}

)

select * from final
