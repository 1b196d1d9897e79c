with source as not materialized (

    {{ unmasked('loan_performance') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        loan_no as loan_id,
        month,
        balance as balance_cny,
        days_past_due
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'loan_id': 'loan'}) }}

)

select * from final
