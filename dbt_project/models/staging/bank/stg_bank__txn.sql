with source as not materialized (

    {{ unmasked('bank_txn') }}

),

categorised as not materialized (

    select
        *,
        concat_ws(' ', summary, purpose) as stated,
        case
            when coalesce(reversal_flag, false) then 'reversal'
            when cp_tax_no = uscc then 'self_transfer'
            when stated like '%工资%' then 'payroll'
            when stated like '%税%' then 'tax'
            when stated like '%社保%' then 'social_security'
            when stated like '%电费%' then 'utility'
            when stated like '%放款%' or stated like '%贷款发放%' then 'loan_in'
            when stated like '%还本%' or stated like '%还款%' then 'loan_repay'
            when stated like '%息%' then 'interest'
            when stated like '%内部转账%' then 'self_transfer'
            when stated like '%理财%' then 'wealth'
            when stated like '%取现%' or stated like '%存现%' then 'cash'
            when stated like '%手续费%' then 'fee'
            when stated like '%退汇%' then 'refund'
            when stated like '%扣划%' or stated like '%冻结%' then 'seizure'
            when stated like '%货款%' then case when dc = 'IN' then 'op_in' else 'op_out' end
            else 'other'
        end as category,
        coalesce(ccy, 'CNY') as currency,
        case when currency = 'CNY' then 1 else fx_rate end as cny_rate
    from source

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        account_no as account_id,
        -- Only where the other side does not say by itself who it is.
        case when coalesce(cp_tax_no, '') = '' then cp_account end as other_account_id,
        {{ with_scheme('cp_tax_no') }} as counterparty_id,
        booked_at,
        cast(booked_at as date) as booked_on,
        value_date as value_on,
        dc as direction,
        currency,
        case when currency <> 'CNY' then amount end as original_amount,
        cast(amount * cny_rate as decimal(18, 2)) as amount_cny,
        cast(balance * cny_rate as decimal(18, 2)) as balance_cny,
        category,
        channel
    from categorised

),

masked as (

    {{ tokenised('renamed', {
        'firm_id': 'firm',
        'counterparty_id': 'firm',
        'account_id': 'account',
        'other_account_id': 'account',
    }) }}

),

accounts as (

    select distinct
        firm_id,
        account_id
    from renamed

),

masked_accounts as (

    {{ tokenised('accounts', {'firm_id': 'firm', 'account_id': 'account'}) }}

),

own_accounts as (

    select
        firm_id,
        account_id
    from {{ ref('stg_bank__account') }}
    union
    select
        firm_id,
        account_id
    from masked_accounts

),

final as (

    select
        masked.* exclude (other_account_id) replace (
            -- Wages go to persons.
            case when masked.category <> 'payroll' then masked.counterparty_id end
                as counterparty_id,
            case
                when own_accounts.account_id is not null and masked.category <> 'reversal'
                    then 'self_transfer'
                else masked.category
            end as category
        )
    from masked
    left join own_accounts
        on
            masked.firm_id = own_accounts.firm_id
            and masked.other_account_id = own_accounts.account_id

)

select * from final
