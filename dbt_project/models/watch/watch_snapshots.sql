{{ config(materialized='table') }}

{#- Inputs of warnings other than features; a firm may have nothing else. -#}
{%- set rows_beside_features = [
    'stg_lender__loan_performance', 'stg_power__account', 'stg_power__event',
    'stg_tax__registration',
] %}

with news as (

    select
        firm_id,
        as_of as day,
        through_seq
    from {{ ref('firm_snapshots') }}
    {%- for staged in rows_beside_features %}
        union all
        select
            firm_id,
            available_at as day,
            max(delivery_seq) as through_seq
        from {{ ref(staged) }}
        group by firm_id, available_at
    {%- endfor %}

),

dates as (

    select as_of
    from {{ ref('firm_snapshots') }}
    union
    select as_of
    from {{ source('ops', 'nights') }}

),

-- Per firm and date, the newest news on or before its day.
moments as (

    select
        firm_id,
        day,
        through_seq,
        false as is_snapshot
    from news
    union all
    select
        firms.firm_id,
        dates.as_of as day,
        cast(null as bigint) as through_seq,
        true as is_snapshot
    from (select distinct firm_id from news) as firms
    cross join dates

),

known as (

    select
        firm_id,
        day,
        is_snapshot,
        max(through_seq) over (
            partition by firm_id order by day
        ) as through_seq
    from moments

),

final as (

    select
        firm_id,
        day as as_of,
        through_seq
    from known
    where is_snapshot and through_seq is not null

)

select * from final
