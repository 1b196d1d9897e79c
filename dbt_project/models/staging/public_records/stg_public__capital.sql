with source as not materialized (

    {{ unmasked('capital') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        changed_at as changed_on,
        registered as registered_cny,
        paid_in as paid_in_cny
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
