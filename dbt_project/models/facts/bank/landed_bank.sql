{{ config(unique_key=none, incremental_strategy='append') }}

{{ landed(['stg_bank__txn']) }}
