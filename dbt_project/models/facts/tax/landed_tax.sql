{{ config(unique_key=none, incremental_strategy='append') }}

{{ landed([
    'stg_tax__registration',
    'stg_tax__invoice',
    'stg_tax__vat_return',
    'stg_tax__payment',
    'stg_tax__arrears',
    'stg_tax__violation',
    'stg_tax__grade',
    'stg_tax__cit_return',
]) }}
