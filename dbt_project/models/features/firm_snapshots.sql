{{ config(materialized='table') }}

{%- set monthly_facts = [
    'fct_tax_invoice_monthly', 'fct_tax_vat_monthly', 'fct_tax_payment_monthly',
    'fct_bank_monthly',
    'fct_supply_buyer_monthly', 'fct_supply_delivery_monthly', 'fct_supply_receivable_monthly',
    'fct_power_bill_monthly', 'fct_power_reading_monthly',
] %}
{%- set rows_behind_features = [
    'stg_tax__registration', 'stg_tax__invoice', 'stg_tax__vat_return', 'stg_tax__payment',
    'stg_tax__arrears', 'stg_tax__violation', 'stg_tax__grade', 'stg_tax__cit_return',
    'stg_bank__txn',
    'stg_supply__relation', 'stg_supply__order', 'stg_supply__delivery',
    'stg_supply__receivable',
    'stg_power__bill', 'stg_power__reading',
    'stg_founders__credit', 'stg_projects__milestone',
    'stg_lender__annual_statement',
    'fct_tax_collected', 'fct_supply_collected',
] %}

with months as (

    {%- for fact in monthly_facts %}
        select
            firm_id,
            month
        from {{ ref(fact) }}
        {%- if not loop.last %}
            union
        {%- endif %}
    {%- endfor %}

),

-- Every version of every row is news for its firm from the day it could be known, even one that
-- only reverses another row; so is a table that its provider starts to deliver.
pieces as (

    {%- for staged in rows_behind_features %}
        select
            firm_id,
            available_at,
            max(delivery_seq) as delivery_seq
        from {{ ref(staged) }}
        group by firm_id, available_at
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}

),

news as (

    select
        firm_id,
        available_at,
        max(delivery_seq) as through_seq
    from pieces
    group by firm_id, available_at

),

-- All nights, not only tonight: running an older night again must not remove newer ones.
dates as (

    select last_day(month) as as_of
    from months
    where last_day(month) <= (select max(as_of) from {{ source('ops', 'nights') }})
    union
    select as_of
    from {{ source('ops', 'nights') }}

),

pairs as (

    select
        firms.firm_id,
        dates.as_of
    from (select distinct firm_id from months) as firms
    cross join dates

),

-- Per pair, the newest news on or before its day.
moments as (

    select
        firm_id,
        available_at as day,
        through_seq,
        false as is_snapshot
    from news
    union all
    select
        firm_id,
        as_of as day,
        cast(null as bigint) as through_seq,
        true as is_snapshot
    from pairs

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
