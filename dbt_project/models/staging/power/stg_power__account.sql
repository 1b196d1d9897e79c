with source as (

    {{ unmasked('power_account') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        cons_no,
        run_cap_kva as running_capacity_kva,
        tariff,
        status,
        opened as opened_on
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm']) }}

),

meter_tokens as materialized (

    {{ distinct_tokens('source', 'meter', ['cons_no']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        meter_tokens.token_id as meter_id,
        renamed.running_capacity_kva,
        renamed.tariff,
        renamed.status,
        renamed.opened_on
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join meter_tokens
        on renamed.cons_no = meter_tokens.identifier

)

select * from final
