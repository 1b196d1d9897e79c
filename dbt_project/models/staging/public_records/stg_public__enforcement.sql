with source as not materialized (

    {{ unmasked('court_enforcement') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        case_no as case_id,
        kind,
        filed as filed_on,
        amount as amount_cny,
        ended as ended_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'case_id': 'case'}) }}

)

select * from final
