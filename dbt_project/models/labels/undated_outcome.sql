with versions as (

    select
        firm_id,
        is_defaulted as defaulted,
        available_at,
        lead(available_at, 1, date '9999-12-31') over (
            partition by row_id order by record_version
        ) as superseded_at
    from {{ ref('stg_lender__outcome_label') }}

),

final as (

    select *
    from versions
    where defaulted is not null

)

select * from final
