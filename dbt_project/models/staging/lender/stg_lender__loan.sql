with source as not materialized (

    {{ unmasked('loan') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        loan_no as loan_id,
        decided_at as decided_on,
        decision,
        amount as amount_cny,
        term_months,
        instalment as instalment_cny,
        purpose,
        product
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'loan_id': 'loan'}) }}

)

select * from final
