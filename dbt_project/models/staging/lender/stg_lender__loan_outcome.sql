with source as not materialized (

    {{ unmasked('loan_outcome') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        loan_no as loan_id,
        outcome,
        outcome_at as outcome_on,
        observed_until
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'loan_id': 'loan'}) }}

)

select * from final
