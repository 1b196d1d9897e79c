-- Rebuilt each time: a table that a provider starts to deliver is information on all its firms.
{{ config(materialized='table') }}

{{ collected_tables([
    ref('stg_tax__registration'),
    ref('stg_tax__invoice'),
    ref('stg_tax__vat_return'),
    ref('stg_tax__payment'),
    ref('stg_tax__arrears'),
    ref('stg_tax__violation'),
    ref('stg_tax__grade'),
    ref('stg_tax__cit_return'),
]) }}
