{{ config(materialized='table') }}

{%- set monthly_facts = [
    'fct_tax_invoice_monthly', 'fct_tax_vat_monthly', 'fct_tax_payment_monthly',
    'fct_bank_monthly',
    'fct_supply_buyer_monthly', 'fct_supply_delivery_monthly', 'fct_supply_receivable_monthly',
    'fct_power_bill_monthly', 'fct_power_reading_monthly',
] %}
{%- set dated_rows = [
    'stg_tax__registration', 'stg_supply__relation', 'stg_lender__annual_statement',
] %}

with pieces as (

    {%- for fact in monthly_facts %}
        select
            firm_id,
            month,
            available_at,
            delivery_seq
        from {{ ref(fact) }}
        union all
    {%- endfor %}
    {%- for staged in dated_rows %}
        select
            firm_id,
            cast(null as date) as month,
            available_at,
            delivery_seq
        from {{ ref(staged) }}
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}

),

news as (

    select
        firm_id,
        available_at,
        max(max(delivery_seq)) over (partition by firm_id order by available_at) as through_seq
    from pieces
    group by firm_id, available_at

),

firms as (

    select firm_id
    from pieces
    where month is not null
    group by firm_id

),

dates as (

    select last_day(month) as as_of
    from pieces
    where last_day(month) <= cast('{{ var("as_of") }}' as date)
    union
    select as_of
    from {{ source('ops', 'nights') }}
    where as_of <= cast('{{ var("as_of") }}' as date)

),

pairs as (

    select
        firms.firm_id,
        dates.as_of
    from firms
    cross join dates

),

final as (

    select
        pairs.firm_id,
        pairs.as_of,
        news.through_seq
    from pairs
    asof inner join news
        on
            pairs.firm_id = news.firm_id
            and pairs.as_of >= news.available_at

)

select * from final
