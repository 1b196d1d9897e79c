with source as not materialized (

    {{ unmasked('guarantee') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        guarantee_no as guarantee_id,
        {{ with_scheme("guaranteed_uscc") }} as guaranteed_id,
        amount as guaranteed_cny,
        kind,
        guaranteed_from,
        released as released_on
    from source

),

final as (

    {{ tokenised(
        'renamed', {'firm_id': 'firm', 'guarantee_id': 'contract', 'guaranteed_id': 'firm'}
    ) }}

)

select * from final
