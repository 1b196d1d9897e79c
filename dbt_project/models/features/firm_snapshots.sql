with landed as (

    {{ landed_everywhere() }}

),

-- Every version of every row is news for its firm from the day it could be known, even one that
-- only reverses another row; so is a table that its provider starts to deliver.
pieces as (

    select
        firm_id,
        delivery_seq,
        available_at
    from landed
    -- Only warnings read the others.
    where
        table_name not in (
            'stg_power__account', 'stg_power__event', 'stg_lender__loan_performance'
        )
    {%- for collected in [
        'fct_tax_collected', 'fct_supply_collected', 'fct_public_collected'
    ] %}
        union all
        select
            firm_id,
            delivery_seq,
            available_at
        from {{ ref(collected) }}
    {%- endfor %}

),

news as (

    select
        firm_id,
        delivery_seq,
        min(available_at) as available_at
    from pieces
    group by firm_id, delivery_seq

),

months as (

    select distinct
        firm_id,
        month
    from landed
    where
        table_name in (
            'stg_tax__invoice', 'stg_tax__vat_return', 'stg_tax__payment', 'stg_bank__txn',
            'stg_supply__order', 'stg_supply__delivery', 'stg_supply__receivable',
            'stg_power__bill', 'stg_power__reading'
        )

),

firms as (

    select distinct firm_id
    from months

),

-- All nights, not only tonight: running an older night again must not remove newer ones.
dates as (

    select distinct last_day(month) as as_of
    from months
    where last_day(month) <= (select max(as_of) from {{ source('ops', 'nights') }})
    union
    select as_of
    from {{ source('ops', 'nights') }}

),

final as (

    {{ known_through('news', 'firms', 'dates') }}

)

select * from final
