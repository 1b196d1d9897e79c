with source as not materialized (

    {{ unmasked('power_account') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        cons_no as meter_id,
        contract_cap_kva as contracted_capacity_kva,
        run_cap_kva as running_capacity_kva,
        voltage,
        tariff,
        trade_code as industry_code,
        status,
        opened as opened_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'meter_id': 'meter'}) }}

)

select * from final
