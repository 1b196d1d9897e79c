with news as not materialized (

    {{ monthly_rows('stg_tax__grade') }}

),

final as (

    select
        firm_id,
        month,
        assessed_year,
        available_at,
        superseded_at,
        max(delivery_seq) as delivery_seq,
        max(list_position(['A', 'B', 'M', 'C', 'D'], grade)) as grade_rank,
        bool_or(grade = 'M') as is_unrated
    from news
    group by all

)

select * from final
