with source as not materialized (

    {{ unmasked('power_bill') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        cons_no as meter_id,
        bill_month,
        read_date as read_on,
        kwh_total as energy_kwh,
        kwh_sharp as sharp_kwh,
        kwh_peak as peak_kwh,
        kwh_flat as flat_kwh,
        kwh_valley as valley_kwh,
        kwh_deep_valley as deep_valley_kwh,
        amount as billed_cny,
        basic_charge as basic_charge_cny,
        pf_adjust as power_factor_cny,
        due_date,
        paid_at as paid_on,
        penalty as penalty_cny,
        arrears as arrears_cny,
        pay_method as payment_method,
        updated_at as updated_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'meter_id': 'meter'}) }}

)

select * from final
