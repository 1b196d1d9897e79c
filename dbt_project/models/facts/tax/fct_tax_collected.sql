-- Rebuilt each time: a table that a provider starts to deliver is information on all its firms.
{{ config(materialized='table') }}

{{ collected_tables([
    'stg_tax__registration',
    'stg_tax__invoice',
    'stg_tax__vat_return',
    'stg_tax__payment',
    'stg_tax__arrears',
    'stg_tax__violation',
    'stg_tax__grade',
    'stg_tax__cit_return',
]) }}
