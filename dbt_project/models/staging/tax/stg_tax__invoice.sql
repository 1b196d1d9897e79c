with source as (

    {{ unmasked('tax_invoice') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        {{ with_scheme("case when direction = 'OUT' then buyer_tax_no else seller_tax_no end") }}
            as counterparty,
        direction,
        cast(issue_time as date) as issued_on,
        amount as net_cny,
        tax as tax_cny,
        status
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm', 'counterparty']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        counterparty_tokens.token_id as counterparty_id,
        renamed.direction,
        renamed.issued_on,
        renamed.net_cny,
        renamed.tax_cny,
        renamed.status
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier
    left join tokens as counterparty_tokens
        on renamed.counterparty = counterparty_tokens.identifier

)

select * from final
