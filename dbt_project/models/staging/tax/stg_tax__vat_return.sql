with source as (

    {{ unmasked('tax_vat_return') }}

),

renamed as (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm,
        period_start,
        due_date,
        filed_at as filed_on,
        sales_standard as declared_sales_cny,
        output_tax as output_tax_cny,
        input_tax as input_tax_cny,
        payable as payable_cny,
        is_amended
    from source

),

tokens as materialized (

    {{ distinct_tokens('renamed', 'firm', ['firm']) }}

),

final as (

    select
        renamed.row_id,
        renamed.record_version,
        renamed.delivery_seq,
        renamed.available_at,
        firms.token_id as firm_id,
        renamed.period_start,
        renamed.due_date,
        renamed.filed_on,
        renamed.declared_sales_cny,
        renamed.output_tax_cny,
        renamed.input_tax_cny,
        renamed.payable_cny,
        renamed.is_amended
    from renamed
    inner join tokens as firms on renamed.firm = firms.identifier

)

select * from final
