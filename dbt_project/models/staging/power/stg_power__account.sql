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
        token('meter', cons_no) as meter_id,
        run_cap_kva as running_capacity_kva,
        tariff,
        status,
        opened as opened_on
    from source

),

tokens as materialized (

    {{ firm_tokens('renamed', ['firm']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.firm_id,
        renamed.meter_id,
        renamed.running_capacity_kva,
        renamed.tariff,
        renamed.status,
        renamed.opened_on
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
