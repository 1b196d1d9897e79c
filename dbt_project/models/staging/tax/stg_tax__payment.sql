with source as (

    {{ unmasked('tax_payment') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        tax_item,
        kind,
        due_date,
        paid_at as paid_on,
        amount as paid_cny
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
        renamed.tax_item,
        renamed.kind,
        renamed.due_date,
        renamed.paid_on,
        renamed.paid_cny
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
