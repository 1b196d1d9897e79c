with source as (

    {{ unmasked('sc_order') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        {{ with_scheme("buyer_uscc") }} as buyer,
        order_date as ordered_on,
        due_date,
        amount as ordered_cny,
        status
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
        renamed.ordered_on,
        renamed.due_date,
        renamed.ordered_cny,
        renamed.status
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join tokens as buyer_tokens
        on renamed.buyer = buyer_tokens.identifier

)

select * from final
