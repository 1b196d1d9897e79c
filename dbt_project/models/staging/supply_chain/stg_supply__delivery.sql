with source as not materialized (

    {{ unmasked('sc_delivery') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        order_no as order_id,
        shipped_at as shipped_on,
        accepted_at as accepted_on,
        due_date,
        qty as quantity,
        returned_qty as returned_quantity
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'order_id': 'order'}) }}

)

select * from final
