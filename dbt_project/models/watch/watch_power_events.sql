with snapshots as (

    {{ snapshots_to_build(spine='watch_snapshots') }}

),

-- The newest known version of each event; one without an end lasts until today.
events as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        staged.meter_id,
        staged.event_type,
        staged.started_on,
        coalesce(staged.ended_on, snapshots.as_of) as ended_on
    from snapshots
    inner join {{ ref('stg_power__event') }} as staged
        on
            snapshots.firm_id = staged.firm_id
            and snapshots.as_of >= staged.available_at
            and snapshots.as_of >= staged.started_on
    qualify staged.record_version = max(staged.record_version) over (
            partition by snapshots.as_of, staged.row_id
        )

),

closed_meters as (

    select
        firm_id,
        as_of,
        meter_id
    from events
    where event_type = 'CLOSED'

),

firms_with_open_meters as (

    select distinct
        snapshots.firm_id,
        snapshots.as_of
    from snapshots
    inner join {{ ref('stg_power__account') }} as accounts
        on
            snapshots.firm_id = accounts.firm_id
            and snapshots.as_of >= accounts.available_at
    anti join closed_meters
        on
            snapshots.firm_id = closed_meters.firm_id
            and snapshots.as_of = closed_meters.as_of
            and accounts.meter_id = closed_meters.meter_id

),

-- An event counts while it lasts and for a month after its start.
recent as (

    select
        events.*,
        events.ended_on >= events.as_of or events.started_on > events.as_of - interval 1 month
            as is_recent,
        firms_with_open_meters.firm_id is null as is_without_meters,
        greatest(events.started_on, cast(events.as_of - interval 3 month as date)) as counted_from
    from events
    left join firms_with_open_meters using (firm_id, as_of)

),

measured as (

    select
        firm_id,
        as_of,
        cast(bool_or(event_type = 'CUT_OFF_FOR_ARREARS' and is_recent) as double) as power_cut_off,
        cast(bool_or(event_type = 'CLOSED' and is_without_meters) as double) as power_closed,
        cast(bool_or(event_type = 'THEFT' and is_recent) as double) as power_theft,
        cast(coalesce(max(least(ended_on, as_of) - counted_from + 1) filter (
            event_type = 'PLANNED_OUTAGE' and ended_on > as_of - interval 3 month
        ), 0) as double) as power_planned_outage_days_3m
    from recent
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        measured.power_cut_off,
        measured.power_closed,
        measured.power_theft,
        measured.power_planned_outage_days_3m
    from snapshots
    left join measured using (firm_id, as_of)

)

select * from final
