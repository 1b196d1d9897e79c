{{ config(unique_key=none, incremental_strategy='append') }}

{{ landed(['stg_founders__credit']) }}
