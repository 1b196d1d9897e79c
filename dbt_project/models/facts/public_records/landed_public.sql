{{ config(unique_key=none, incremental_strategy='append') }}

{{ landed([
    'stg_public__case',
    'stg_public__enforcement',
    'stg_public__capital',
    'stg_public__holding',
    'stg_public__guarantee',
]) }}
