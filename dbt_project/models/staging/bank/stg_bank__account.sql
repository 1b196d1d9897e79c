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
        token('account', account_no) as account_id,
        acct_type as account_type,
        opened as opened_on
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
        renamed.account_id,
        renamed.account_type,
        renamed.opened_on
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
