with source as (

    {{ unmasked('tax_registration') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        status,
        taxpayer_type,
        industry_code,
        reg_date as registered_on,
        updated_at as updated_on
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
        renamed.status,
        renamed.taxpayer_type,
        renamed.industry_code,
        renamed.registered_on,
        renamed.updated_on
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
