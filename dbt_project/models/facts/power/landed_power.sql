{{ config(unique_key=none, incremental_strategy='append') }}

{{ landed([
    'stg_power__account',
    'stg_power__bill',
    'stg_power__reading',
    'stg_power__event',
]) }}
