with source as not materialized (

    {{ unmasked('power_event') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        cons_no as meter_id,
        event_type,
        started as started_on,
        ended as ended_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'meter_id': 'meter'}) }}

)

select * from final
