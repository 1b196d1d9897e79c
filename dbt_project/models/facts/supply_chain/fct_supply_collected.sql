-- Rebuilt each time: a table that a provider begins to deliver says something about all its firms.
{{ config(materialized='table') }}

{{ collected_tables([
    ref('stg_supply__relation'),
    ref('stg_supply__order'),
    ref('stg_supply__delivery'),
    ref('stg_supply__receivable'),
]) }}
