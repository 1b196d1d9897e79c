with source as (

    {{ unmasked('bank_txn') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        {{ with_scheme("cp_tax_no") }} as counterparty,
        account_no,
        cast(booked_at as date) as booked_on,
        dc as direction,
        amount as amount_cny,
        balance as balance_cny,
        case
            when coalesce(reversal_flag, false) then 'reversal'
            when summary like '%工资%' then 'payroll'
            when summary like '%税%' then 'tax'
            when summary like '%社保%' then 'social_security'
            when summary like '%电费%' then 'utility'
            when summary like '%放款%' or summary like '%贷款发放%' then 'loan_in'
            when summary like '%还本%' or summary like '%还款%' then 'loan_repay'
            when summary like '%息%' then 'interest'
            when summary like '%内部转账%' then 'self_transfer'
            when summary like '%取现%' or summary like '%存现%' then 'cash'
            when summary like '%手续费%' then 'fee'
            when summary like '%退汇%' then 'refund'
            when summary like '%扣划%' or summary like '%冻结%' then 'seizure'
            when summary like '%货款%' then case when dc = 'IN' then 'op_in' else 'op_out' end
            else 'other'
        end as category
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm', 'counterparty']) }}

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
        counterparty_tokens.token_id as counterparty_id,
        account_tokens.token_id as account_id,
        renamed.booked_on,
        renamed.direction,
        renamed.amount_cny,
        renamed.balance_cny,
        renamed.category
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join tokens as counterparty_tokens
        on renamed.counterparty = counterparty_tokens.identifier
    left join account_tokens
        on renamed.account_no = account_tokens.identifier

)

select * from final
