with final as (

    select
        firm_id,
        max_by(is_defaulted, record_version) as defaulted
    from {{ ref('stg_lender__outcome_label') }}
    where available_at <= cast('{{ var("as_of") }}' as date)
    group by firm_id
    having max_by(is_defaulted, record_version) is not null

)

select * from final
