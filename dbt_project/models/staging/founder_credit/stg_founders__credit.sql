with source as not materialized (

    {{ unmasked('founder_credit') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        founder_no,
        report_date as reported_on,
        case
            when overdue_count_24m = 0 then 'NONE'
            when overdue_count_24m <= 2 then 'ONE_OR_TWO'
            when overdue_count_24m <= 5 then 'THREE_TO_FIVE'
            else 'SIX_OR_MORE'
        end as overdue_count_band,
        case
            when longest_overdue_days_24m = 0 then 'NONE'
            when longest_overdue_days_24m <= 30 then 'UP_TO_30'
            when longest_overdue_days_24m <= 90 then 'UP_TO_90'
            else 'OVER_90'
        end as longest_overdue_band,
        card_utilisation as card_utilisation_band,
        case
            when guarantee_balance = 0 then 'NONE'
            when guarantee_balance <= 100000 then 'UP_TO_100K'
            when guarantee_balance <= 1000000 then 'UP_TO_1M'
            else 'OVER_1M'
        end as guarantee_balance_band
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
