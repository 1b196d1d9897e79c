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
        token('loan', loan_no) as loan_id,
        cast(date_trunc('month', month) as date) as month,
        balance as balance_cny,
        days_past_due
    from source

),

tokens as materialized (

    {{ firm_tokens('renamed', ['firm']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.firm_id,
        renamed.loan_id,
        renamed.month,
        renamed.balance_cny,
        renamed.days_past_due
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
