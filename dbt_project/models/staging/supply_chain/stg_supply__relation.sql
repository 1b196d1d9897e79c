with source as not materialized (

    {{ unmasked('sc_relation') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        {{ with_scheme("buyer_uscc") }} as buyer_id,
        is_core as is_core_buyer,
        tier,
        since
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'buyer_id': 'firm'}) }}

)

select * from final
