with snapshots as (

    {{ snapshots_to_build() }}

),

months as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        datediff('month', facts.month, snapshots.last_month) as age,
        sum(facts.operating_in_cny) as operating_in_cny,
        sum(facts.operating_out_cny) as operating_out_cny,
        sum(facts.payroll_cny) as payroll_cny,
        sum(facts.loan_in_cny) as loan_in_cny,
        sum(facts.debt_service_cny) as debt_service_cny,
        min(facts.lowest_balance_cny) as lowest_balance_cny,
        bit_count(bit_or(facts.active_days)) as active_days
    from snapshots
    {{ join_known(ref('fct_bank_monthly'), months=6) }}
    group by all

),

windows as (

    select
        firm_id,
        as_of,
        max(age) + 1 as window_months,
        cast(sum(operating_in_cny) as double) as operating_in,
        cast({{ window_sum('operating_in_cny', 2) }} as double) as operating_in_2m,
        cast(sum(operating_in_cny * operating_in_cny) as double) as operating_in_squared,
        cast(sum(operating_out_cny) as double) as operating_out,
        cast(sum(loan_in_cny) as double) as loan_in,
        cast(sum(debt_service_cny) as double) as debt_service,
        cast(min(lowest_balance_cny) as double) as lowest_balance,
        count(*) filter (where payroll_cny > 0) as payroll_months,
        sum(active_days) as active_days
    from months
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        windows.operating_in / windows.window_months as bank_operating_in_mean_6m,
        case
            when windows.window_months >= 3 and windows.operating_in > 0
                then (windows.operating_in_2m / 2) / (windows.operating_in / windows.window_months)
        end as bank_operating_in_2m_to_6m,
        case
            when windows.operating_in > 0
                then greatest(
                        (windows.operating_in - windows.operating_out) / windows.operating_in, -5
                    )
        end as bank_net_flow_ratio_6m,
        {{ coefficient_of_variation(
            'windows.operating_in', 'windows.operating_in_squared', 'windows.window_months'
        ) }} as bank_operating_in_cv_6m,
        windows.payroll_months / windows.window_months as bank_payroll_month_share_6m,
        case
            when windows.operating_in > 0
                then least(windows.debt_service / windows.operating_in, 10)
        end as bank_debt_service_ratio_6m,
        case
            when windows.operating_out > 0
                then windows.lowest_balance / (windows.operating_out / windows.window_months)
        end as bank_lowest_balance_to_outflow_6m,
        windows.active_days / windows.window_months as bank_active_days_mean_6m,
        case
            when windows.operating_in + windows.loan_in > 0
                then windows.loan_in / (windows.operating_in + windows.loan_in)
        end as bank_loan_in_share_6m
    from snapshots
    left join windows using (firm_id, as_of)

)

select * from final
