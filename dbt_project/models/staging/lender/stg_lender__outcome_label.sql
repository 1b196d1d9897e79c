with source as not materialized (

    {{ unmasked('outcome_label') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        defaulted as is_defaulted
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
