-- Rebuilt each time: a provider that begins to deliver a table says something about all its firms.
{{ config(materialized='table') }}

{%- set rows_of_firms = [
    'stg_tax__registration', 'stg_tax__invoice', 'stg_tax__vat_return', 'stg_tax__payment',
    'stg_tax__arrears', 'stg_tax__violation', 'stg_tax__grade', 'stg_tax__cit_return',
    'stg_supply__relation', 'stg_supply__order', 'stg_supply__delivery',
    'stg_supply__receivable',
] %}

with landings as (

    select distinct
        delivery_seq,
        source,
        provider
    from {{ source('ops', 'deliveries') }}
    where status = 'landed'

),

-- A history speaks for all the time before it, an increment from its night on.
delivered as (

    select
        source,
        provider,
        table_name,
        kind,
        min(case when kind = 'history' then date '1900-01-01' else as_of end) as delivered_from,
        min(delivery_seq) as delivery_seq
    from {{ source('ops', 'deliveries') }}
    where status = 'landed'
    group by source, provider, table_name, kind

),

pieces as (

    {%- for staged in rows_of_firms %}
        select
            firm_id,
            delivery_seq,
            min(available_at) as available_at
        from {{ ref(staged) }}
        group by firm_id, delivery_seq
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}

),

-- A provider speaks for a firm from the first row that it delivers of it.
providers as (

    select
        pieces.firm_id,
        landings.source,
        landings.provider,
        min(pieces.available_at) as known_from,
        min(pieces.delivery_seq) as delivery_seq
    from pieces
    inner join landings on pieces.delivery_seq = landings.delivery_seq
    group by pieces.firm_id, landings.source, landings.provider

),

final as (

    select
        providers.firm_id,
        delivered.table_name,
        greatest(providers.known_from, delivered.delivered_from) as available_at,
        max(greatest(providers.delivery_seq, delivered.delivery_seq)) as delivery_seq
    from providers
    inner join delivered
        on
            providers.source = delivered.source
            and providers.provider = delivered.provider
    group by
        providers.firm_id,
        delivered.table_name,
        greatest(providers.known_from, delivered.delivered_from)

)

select * from final
