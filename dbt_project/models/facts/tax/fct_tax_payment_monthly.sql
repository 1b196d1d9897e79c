with news as not materialized (

    {{ monthly_rows('stg_tax__payment') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        coalesce(sum(paid_cny) filter (where kind = 'TAX'), 0) as paid_cny,
        count(*) as payment_count,
        count(*) filter (where paid_on > due_date) as late_payment_count
    from news
    -- Without a day of payment the tax is still due.
    where month is not null
    group by all

)

select * from final
