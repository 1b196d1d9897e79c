{{ config(unique_key=none, incremental_strategy='append') }}

{{ landed([
    'stg_lender__annual_statement',
    'stg_lender__loan',
    'stg_lender__loan_performance',
]) }}
