with versions as (

    {{ monthly_rows(ref('stg_power__bill'), 'bill_month') }}

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
        sum(energy_kwh) as energy_kwh,
        sum(valley_kwh) as valley_kwh,
        sum(billed_cny) as billed_cny,
        count(*) as bill_count,
        count(*) filter (where paid_on > due_date) as late_payment_count,
        sum(arrears_cny) as arrears_cny
    from news
    group by all

)

select * from final
