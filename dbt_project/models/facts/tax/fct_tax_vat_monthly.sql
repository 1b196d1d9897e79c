with versions as (

    {{ monthly_rows(ref('stg_tax__vat_return'), 'period_start') }}

),

news as (

    {{ touched('versions') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        sum(declared_sales_cny) as declared_sales_cny,
        sum(output_tax_cny) as output_tax_cny,
        sum(input_tax_cny) as input_tax_cny,
        sum(payable_cny) as payable_cny,
        count(*) filter (where filed_on > due_date and not is_amended) as late_filing_count
    from news
    group by all

)

select * from final
