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
        bit_count(bit_or(facts.active_days)) as active_days,
        bit_or(facts.payroll_days) as payroll_days,
        sum(facts.social_security_cny) as social_security_cny,
        sum(facts.cash_cny) as cash_cny,
        sum(facts.turnover_cny) as turnover_cny,
        sum(facts.returned_count) as returned_count,
        sum(facts.txn_count) as txn_count,
        sum(facts.seizure_count) as seizure_count,
        sum(facts.turnover_in_cny) as turnover_in_cny,
        sum(facts.turnover_cny) - sum(facts.turnover_in_cny) as turnover_out_cny,
        sum(facts.unknown_in_cny) as unknown_in_cny,
        sum(facts.unknown_out_cny) as unknown_out_cny
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
        cast(sum({{ squared('operating_in_cny') }}) as double) as operating_in_squared,
        cast(sum(operating_out_cny) as double) as operating_out,
        cast(sum(loan_in_cny) as double) as loan_in,
        cast(sum(debt_service_cny) as double) as debt_service,
        cast(min(lowest_balance_cny) as double) as lowest_balance,
        count(*) filter (where payroll_cny > 0) as payroll_months,
        sum(active_days) as active_days,
        count(*) filter (where social_security_cny > 0) as social_security_months,
        cast(sum(cash_cny) as double) / nullif(cast(sum(turnover_cny) as double), 0)
            as cash_share,
        sum(returned_count) / nullif(sum(txn_count), 0) as returned_share,
        cast(sum(seizure_count) as double) as seizures,
        {{ is_known_flow('sum(unknown_in_cny)', 'sum(turnover_in_cny)') }} as is_in_known,
        {{ is_known_flow('sum(unknown_out_cny)', 'sum(turnover_out_cny)') }} as is_out_known,
        -- A month against others: each must be known.
        count(*) filter (
            where not {{ is_known_flow('unknown_in_cny', 'turnover_in_cny') }}
        ) = 0 as are_ins_known,
        count(*) filter (
            where not {{ is_known_flow('unknown_out_cny', 'turnover_out_cny') }}
        ) = 0 as are_outs_known
    from months
    group by firm_id, as_of

),

-- A month of the window without a booking has no receipts.
trends as (

    select
        windows.firm_id,
        windows.as_of,
        regr_slope(
            ln(1 + greatest(cast(coalesce(months.operating_in_cny, 0) as double), 0)), -ages.age
            order by ages.age
        ) as operating_in_slope
    from windows
    {{ join_every_month('windows', 'window_months', 'months', 6) }}
    group by windows.firm_id, windows.as_of

),

-- The payday of a month is the first day with wages paid.
paydays as (

    select
        firm_id,
        as_of,
        age,
        log2(payroll_days & -payroll_days) + 1 as payday,
        cast(payroll_cny as double) as payroll_cny,
        -- Often with the yearly bonus.
        row_number() over (
            partition by firm_id, as_of order by payroll_cny desc, age asc
        ) = 1 as is_highest
    from months
    where payroll_days <> 0 and payroll_cny > 0

),

payrolls as (

    select
        firm_id,
        as_of,
        count(*) as payrolls,
        stddev_pop(payday order by age) as payday_spread,
        arg_min(payday, age) - median(payday) as payday_delay,
        regr_slope(ln(payroll_cny), -age order by age) filter (where not is_highest)
            as payroll_slope
    from paydays
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        case when windows.is_in_known then windows.operating_in / windows.window_months end
            as bank_operating_in_mean_6m,
        case
            when windows.window_months >= 3 and windows.operating_in > 0 and windows.are_ins_known
                then (windows.operating_in_2m / 2) / (windows.operating_in / windows.window_months)
        end as bank_operating_in_2m_to_6m,
        case
            when windows.operating_in > 0 and windows.is_in_known and windows.is_out_known
                then greatest(
                        (windows.operating_in - windows.operating_out) / windows.operating_in, -5
                    )
        end as bank_net_flow_ratio_6m,
        case when windows.are_ins_known then {{ coefficient_of_variation(
            'windows.operating_in', 'windows.operating_in_squared', 'windows.window_months'
        ) }} end as bank_operating_in_cv_6m,
        case when windows.is_out_known then windows.payroll_months / windows.window_months end
            as bank_payroll_month_share_6m,
        case
            when windows.operating_in > 0 and windows.is_in_known and windows.is_out_known
                then least(windows.debt_service / windows.operating_in, 10)
        end as bank_debt_service_ratio_6m,
        case
            when windows.operating_out > 0 and windows.is_out_known
                then {{ within(
                    'windows.lowest_balance / (windows.operating_out / windows.window_months)',
                    -120, 120
                ) }}
        end as bank_lowest_balance_to_outflow_6m,
        windows.active_days / windows.window_months as bank_active_days_mean_6m,
        case
            when windows.operating_in + windows.loan_in > 0 and windows.is_in_known
                then windows.loan_in / (windows.operating_in + windows.loan_in)
        end as bank_loan_in_share_6m,
        case
            when windows.window_months >= 4 and windows.are_ins_known
                then trends.operating_in_slope
        end as bank_operating_in_slope_6m,
        case when payrolls.payrolls >= 3 then payrolls.payday_spread end
            as bank_payday_spread_6m,
        case when payrolls.payrolls >= 3 then payrolls.payday_delay end as bank_payday_delay_6m,
        case
            when payrolls.payrolls >= 4 and windows.are_outs_known then payrolls.payroll_slope
        end as bank_payroll_slope_6m,
        case
            when windows.is_out_known
                then windows.social_security_months / windows.window_months
        end as bank_social_security_month_share_6m,
        case when windows.is_in_known and windows.is_out_known then windows.cash_share end
            as bank_cash_share_6m,
        case
            when windows.is_in_known and windows.is_out_known
                then {{ within('windows.returned_share', 0, 1) }}
        end
            as bank_returned_share_6m,
        -- An observed one counts, even if little else is known.
        case when windows.is_out_known or windows.seizures > 0 then windows.seizures end
            as bank_seizure_count_6m
    from snapshots
    left join windows using (firm_id, as_of)
    left join trends using (firm_id, as_of)
    left join payrolls using (firm_id, as_of)

)

select * from final
