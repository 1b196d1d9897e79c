with source as not materialized (

    {{ unmasked('tax_violation') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        violation_type,
        registered as registered_on,
        handled as proceedings,
        audit_case as is_audit_case
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
