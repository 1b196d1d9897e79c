with news as not materialized (

    {{ monthly_rows('stg_tax__violation') }}

),

final as (

    select
        firm_id,
        month,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        count(*) as violation_count,
        count(*) filter (where is_audit_case) as audit_case_count,
        count(*) filter (where is_audit_case and proceedings <> 'CLOSED') as open_audit_case_count
    from news
    group by all

)

select * from final
