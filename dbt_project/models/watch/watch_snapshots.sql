with landed as (

    {{ landed_everywhere() }}

),

-- A firm may have nothing but what only warnings read.
firms as (

    select firm_id
    from {{ ref('firm_snapshots') }}
    union
    select firm_id
    from landed
    where
        table_name in (
            'stg_lender__loan_performance', 'stg_power__account', 'stg_power__event',
            'stg_tax__registration'
        )

),

news as (

    select
        firm_id,
        delivery_seq,
        min(available_at) as available_at
    from landed
    group by firm_id, delivery_seq

),

dates as (

    select as_of
    from {{ ref('firm_snapshots') }}
    union
    select as_of
    from {{ source('ops', 'nights') }}

),

final as (

    {{ known_through('news', 'firms', 'dates') }}

)

select * from final
