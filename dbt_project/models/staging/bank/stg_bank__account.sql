with source as not materialized (

    {{ unmasked('bank_account') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        account_no as account_id,
        acct_type as account_type,
        ccy as currency,
        opened as opened_on,
        status
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'account_id': 'account'}) }}

)

select * from final
