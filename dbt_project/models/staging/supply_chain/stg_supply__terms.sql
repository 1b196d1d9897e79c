with source as not materialized (

    {{ unmasked('sc_terms') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        {{ with_scheme("buyer_uscc") }} as buyer_id,
        effective_from,
        net_days,
        method as payment_method
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'buyer_id': 'firm'}) }}

)

select * from final
