-- Rebuilt each time: a table that a provider starts to deliver is information on all its firms.
{{ config(materialized='table') }}

{{ collected_tables([
    ref('stg_supply__relation'),
    ref('stg_supply__order'),
    ref('stg_supply__delivery'),
    ref('stg_supply__receivable'),
]) }}
