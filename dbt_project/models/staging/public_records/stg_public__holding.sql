with source as not materialized (

    {{ unmasked('shareholder') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        holder_no,
        {{ with_scheme("holder_uscc") }} as holder_id,
        share as held_share,
        held_from,
        held_to
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'holder_id': 'firm'}) }}

)

select * from final
