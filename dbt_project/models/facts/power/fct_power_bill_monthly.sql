with versions as not materialized (

    {{ monthly_rows('stg_power__bill', days_around=62) }}

),

-- A bill covers the month up to its reading, or its calendar month if the reading is no help.
periods as (

    select
        *,
        case
            when read_on between bill_month and last_day(bill_month) + 31 then read_on
            else last_day(bill_month)
        end as ends_on,
        case
            when ends_on = last_day(ends_on) then cast(date_trunc('month', ends_on) as date)
            else cast(ends_on - interval 1 month as date) + 1
        end as starts_on,
        cast(date_trunc('month', ends_on) as date) as last_month_start,
        greatest(last_month_start - starts_on, 0) as earlier_days,
        ends_on - starts_on + 1 as total_days
    from versions

),

shares as (

    select
        *,
        cast(energy_kwh * earlier_days / total_days as decimal(18, 2)) as earlier_energy_kwh,
        cast(valley_kwh * earlier_days / total_days as decimal(18, 2)) as earlier_valley_kwh
    from periods

),

pieces as (

    select
        firm_id,
        bill_month as month,
        available_at,
        superseded_at,
        delivery_seq,
        row_id,
        cast(null as decimal(18, 2)) as energy_kwh,
        cast(null as decimal(18, 2)) as valley_kwh,
        0 as covered_days,
        billed_cny,
        arrears_cny
    from shares
    union all
    select
        firm_id,
        cast(date_trunc('month', starts_on) as date) as month,
        available_at,
        superseded_at,
        delivery_seq,
        row_id,
        earlier_energy_kwh as energy_kwh,
        earlier_valley_kwh as valley_kwh,
        {{ day_mask('starts_on', 'last_day(starts_on)') }} as covered_days,
        0 as billed_cny,
        0 as arrears_cny
    from shares
    where earlier_days > 0
    union all
    select
        firm_id,
        last_month_start as month,
        greatest(available_at, last_day(last_month_start)) as available_at,
        greatest(superseded_at, last_day(last_month_start)) as superseded_at,
        delivery_seq,
        row_id,
        energy_kwh - earlier_energy_kwh as energy_kwh,
        valley_kwh - earlier_valley_kwh as valley_kwh,
        {{ day_mask('greatest(starts_on, last_month_start)', 'ends_on') }} as covered_days,
        0 as billed_cny,
        0 as arrears_cny
    from shares

),

news as (

    {{ touched('pieces', 'stg_power__bill', days_around=62) }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        cast(coalesce(sum(energy_kwh), 0) as decimal(38, 2)) as energy_kwh,
        cast(coalesce(sum(valley_kwh), 0) as decimal(38, 2)) as valley_kwh,
        bit_or(covered_days) as covered_days,
        cast(sum(billed_cny) as decimal(38, 2)) as billed_cny,
        cast(sum(arrears_cny) as decimal(38, 2)) as arrears_cny
    from news
    group by all

)

select * from final
