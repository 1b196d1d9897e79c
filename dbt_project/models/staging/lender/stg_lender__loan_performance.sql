with source as (

    {{ unmasked('loan_performance') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        loan_no,
        cast(date_trunc('month', month) as date) as month,
        balance as balance_cny,
        days_past_due
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm']) }}

),

loan_tokens as materialized (

    {{ distinct_tokens('source', 'loan', ['loan_no']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        loan_tokens.token_id as loan_id,
        renamed.month,
        renamed.balance_cny,
        renamed.days_past_due
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join loan_tokens
        on renamed.loan_no = loan_tokens.identifier

)

select * from final
