{{ config(unique_key=none, incremental_strategy='append') }}

{{ landed([
    'stg_supply__relation',
    'stg_supply__order',
    'stg_supply__delivery',
    'stg_supply__receivable',
]) }}
