with source as not materialized (

    {{ unmasked('court_case') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        case_no as case_id,
        role,
        cause,
        filed as filed_on,
        amount as amount_cny,
        closed as closed_on,
        result
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'case_id': 'case'}) }}

)

select * from final
