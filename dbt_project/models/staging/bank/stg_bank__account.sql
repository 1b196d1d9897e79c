with source as (

    {{ unmasked('bank_account') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        account_no,
        acct_type as account_type,
        opened as opened_on
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm']) }}

),

account_tokens as materialized (

    {{ distinct_tokens('source', 'account', ['account_no']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        account_tokens.token_id as account_id,
        renamed.account_type,
        renamed.opened_on
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join account_tokens
        on renamed.account_no = account_tokens.identifier

)

select * from final
