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
        cons_no,
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
    left join meter_tokens
        on renamed.cons_no = meter_tokens.identifier

)

select * from final
