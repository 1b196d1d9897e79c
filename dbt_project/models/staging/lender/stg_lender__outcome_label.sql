with source as (

    {{ unmasked('outcome_label') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        defaulted as is_defaulted
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
        renamed.is_defaulted
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
