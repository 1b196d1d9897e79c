with versions as (

    {{ monthly_rows(ref('stg_bank__txn'), 'booked_on') }}

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
        coalesce(sum(amount_cny) filter (where category = 'op_in' and direction = 'IN'), 0)
            as operating_in_cny,
        coalesce(
            sum(amount_cny) filter (
                where category in ('op_out', 'payroll', 'tax', 'social_security', 'utility', 'fee')
                and direction = 'OUT'
            ),
            0
        ) as operating_out_cny,
        coalesce(sum(amount_cny) filter (where category = 'payroll' and direction = 'OUT'), 0)
            as payroll_cny,
        coalesce(sum(amount_cny) filter (where category = 'loan_in' and direction = 'IN'), 0)
            as loan_in_cny,
        coalesce(
            sum(amount_cny) filter (
                where category in ('loan_repay', 'interest') and direction = 'OUT'
            ),
            0
        ) as debt_service_cny,
        min(balance_cny) as lowest_balance_cny,
        bit_or(1::integer << (day(booked_on)::integer - 1)) as active_days,
        count(*) filter (where category = 'seizure') as seizure_count,
        count(*) as txn_count
    from news
    where
        category not in ('reversal', 'self_transfer')
    group by all

)

select * from final
