with source as (

    {{ unmasked('power_reading') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        reading_date,
        kwh as energy_kwh
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
        renamed.reading_date,
        renamed.energy_kwh
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
