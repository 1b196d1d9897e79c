with source as (

    {{ unmasked('sc_relation') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        {{ with_scheme("buyer_uscc") }} as buyer,
        is_core as is_core_buyer,
        tier,
        since
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
        renamed.is_core_buyer,
        renamed.tier,
        renamed.since
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join tokens as buyer_tokens
        on renamed.buyer = buyer_tokens.identifier

)

select * from final
