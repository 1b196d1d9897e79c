with source as not materialized (

    {{ unmasked('bank_txn') }}

),

stated as not materialized (

    select
        *,
        concat_ws(' ', summary, purpose, channel) as narrative
    from source

),

-- There are few distinct texts, and fewer without numbers: each is searched for words once.
texts as materialized (

    select
        narrative,
        narrative_text(narrative) as text
    from (
        select narrative from stated
        union all
        select distinct txn_type as narrative
        from stated
        where txn_type is not null
    ) as said
    group by narrative

),

worded as materialized (

    select
        text,
        narrative_words(text) as words
    from texts
    group by text

),

narratives as materialized (

    select
        texts.narrative,
        directions.dc,
        narrative_category(worded.words, directions.dc) as category
    from texts
    inner join worded using (text)
    cross join (values ('IN'), ('OUT')) as directions (dc)

),

categorised as not materialized (

    select
        stated.*,
        case
            when coalesce(stated.reversal_flag, false) then 'reversal'
            when stated.cp_tax_no = stated.uscc then 'self_transfer'
            -- The bank's own word decides if it says anything.
            else coalesce(nullif(types.category, 'unknown'), narratives.category, 'unknown')
        end as category,
        coalesce(stated.ccy, 'CNY') as currency
    from stated
    left join narratives
        on stated.narrative = narratives.narrative and stated.dc = narratives.dc
    left join narratives as types
        on stated.txn_type = types.narrative and stated.dc = types.dc

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        account_no as account_id,
        -- Only if the other side does not identify itself.
        case when coalesce(cp_tax_no, '') = '' then cp_account end as other_account_id,
        {{ with_scheme('cp_tax_no') }} as counterparty_id,
        booked_at,
        cast(booked_at as date) as booked_on,
        value_date as value_on,
        dc as direction,
        currency,
        case when currency <> 'CNY' then amount end as original_amount,
        {{ in_cny('amount') }} as amount_cny,
        {{ in_cny('balance') }} as balance_cny,
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
