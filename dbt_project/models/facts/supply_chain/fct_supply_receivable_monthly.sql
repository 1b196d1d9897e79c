with news as not materialized (

    {{ monthly_rows('stg_supply__receivable') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        sum(receivable_cny) as receivable_cny,
        sum(receivable_cny - paid_cny) as open_cny,
        coalesce(sum(receivable_cny) filter (where is_confirmed), 0) as confirmed_cny,
        count(*) filter (where paid_on is not null) as paid_count,
        coalesce(sum(paid_on - due_date), 0)::bigint as payment_delay_days
    from news
    group by all

)

select * from final
