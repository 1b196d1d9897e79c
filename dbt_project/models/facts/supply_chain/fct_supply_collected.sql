-- Rebuilt each time: a table that a provider starts to deliver is information on all its firms.
{{ config(materialized='table') }}

{{ collected_tables([
    'stg_supply__relation',
    'stg_supply__order',
    'stg_supply__delivery',
    'stg_supply__receivable',
]) }}
