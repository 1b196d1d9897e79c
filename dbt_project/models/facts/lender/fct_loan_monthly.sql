with news as not materialized (

    {{ monthly_rows('stg_lender__loan_performance') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        sum(balance_cny) as balance_cny,
        max(days_past_due) as days_past_due
    from news
    group by all

)

select * from final
