with source as (

    {{ unmasked('power_bill') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        token('meter', cons_no) as meter_id,
        cast(date_trunc('month', bill_month) as date) as bill_month,
        kwh_total as energy_kwh,
        kwh_valley as valley_kwh,
        amount as billed_cny,
        due_date,
        paid_at as paid_on,
        penalty as penalty_cny,
        arrears as arrears_cny
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
        renamed.bill_month,
        renamed.energy_kwh,
        renamed.valley_kwh,
        renamed.billed_cny,
        renamed.due_date,
        renamed.paid_on,
        renamed.penalty_cny,
        renamed.arrears_cny
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
