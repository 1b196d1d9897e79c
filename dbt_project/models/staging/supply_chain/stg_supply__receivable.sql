with source as (

    {{ unmasked('sc_receivable') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        {{ with_scheme("buyer_uscc") }} as buyer,
        issued_at as issued_on,
        due_date,
        amount as receivable_cny,
        confirmed as is_confirmed,
        paid_amount as paid_cny,
        paid_at as paid_on,
        disputed as is_disputed
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm', 'buyer']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        buyer_tokens.token_id as buyer_id,
        renamed.issued_on,
        renamed.due_date,
        renamed.receivable_cny,
        renamed.is_confirmed,
        renamed.paid_cny,
        renamed.paid_on,
        renamed.is_disputed
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join tokens as buyer_tokens
        on renamed.buyer = buyer_tokens.identifier

)

select * from final
