-- Rebuilt each time: a table that a provider starts to deliver is information on all its firms.
{{ config(materialized='table') }}

{{ collected_tables(ref('landed_public')) }}
