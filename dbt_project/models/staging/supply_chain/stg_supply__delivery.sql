with source as (

    {{ unmasked('sc_delivery') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        shipped_at as shipped_on,
        accepted_at as accepted_on,
        due_date,
        qty as quantity,
        returned_qty as returned_quantity
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        renamed.shipped_on,
        renamed.accepted_on,
        renamed.due_date,
        renamed.quantity,
        renamed.returned_quantity
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
