with versions as not materialized (

    {{ monthly_rows(ref('stg_bank__txn'), 'booked_on') }}

),

news as (

    {{ touched('versions') }}

),

final as (

    select
        firm_id,
        month,
        account_id,
        booked_on,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        max(booked_at) as last_booked_at,
        max_by(row_id, (booked_at, row_id)) as last_row_id,
        max_by(balance_cny, (booked_at, row_id)) as balance_cny
    from news
    where balance_cny is not null
    group by all

)

select * from final
