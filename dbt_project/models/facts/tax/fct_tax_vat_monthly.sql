with news as not materialized (

    {{ monthly_rows('stg_tax__vat_return') }}

),

amounts as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        delivery_seq,
        -- In the type of a total: four of a large kind do not fit into the type of one.
        cast(declared_sales_cny as decimal(38, 2))
        + coalesce(simple_sales_cny, 0)
        + coalesce(export_sales_cny, 0)
        + coalesce(exempt_sales_cny, 0) as declared_sales_cny,
        output_tax_cny,
        input_tax_cny,
        payable_cny,
        coalesce(credit_carried_forward_cny, 0) as credit_carried_forward_cny,
        -- Small taxpayers file by the quarter.
        case
            when form_column = 'MONTH'
                then datediff('month', period_start, coalesce(period_end, period_start)) + 1
            else 0
        end as covered_months,
        form_column = 'MONTH' as is_return,
        form_column = 'MONTH' and coalesce(is_amended, false) as is_amended,
        0 as delay_days,
        false as is_late,
        false as is_first
    from news
    where form_column in ('MONTH', 'REFUND_MONTH')

),

-- Whether a return was late is a fact of its first filing; an amendment does not undo it.
filings as (

    select
        firm_id,
        month,
        available_at,
        date '9999-12-31' as superseded_at,
        delivery_seq,
        0 as declared_sales_cny,
        0 as output_tax_cny,
        0 as input_tax_cny,
        0 as payable_cny,
        0 as credit_carried_forward_cny,
        0 as covered_months,
        false as is_return,
        false as is_amended,
        greatest(filed_on - due_date, 0) as delay_days,
        filed_on > due_date as is_late,
        true as is_first
    from news
    where record_version = 1 and form_column = 'MONTH'

),

pieces as (

    select * from amounts
    union all
    select * from filings

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        cast(sum(declared_sales_cny) as decimal(38, 2)) as declared_sales_cny,
        sum(output_tax_cny) as output_tax_cny,
        sum(input_tax_cny) as input_tax_cny,
        sum(payable_cny) as payable_cny,
        cast(sum(credit_carried_forward_cny) as decimal(38, 2)) as credit_carried_forward_cny,
        cast(sum(covered_months) as bigint) as covered_months,
        count(*) filter (where is_return) as return_count,
        count(*) filter (where is_amended) as amended_count,
        count(*) filter (where is_first) as filing_count,
        count(*) filter (where is_late) as late_filing_count,
        cast(sum(delay_days) as bigint) as delay_days
    from pieces
    group by all

)

select * from final
