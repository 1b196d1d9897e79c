with source as not materialized (

    {{ unmasked('tax_grade') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        year as assessed_year,
        grade,
        published_at as published_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
