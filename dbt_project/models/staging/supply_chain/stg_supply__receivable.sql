with source as not materialized (

    {{ unmasked('sc_receivable') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        {{ with_scheme("buyer_uscc") }} as buyer_id,
        amount as receivable_cny,
        issued_at as issued_on,
        due_date,
        confirmed as is_confirmed,
        confirmed_at as confirmed_on,
        paid_amount as paid_cny,
        paid_at as paid_on,
        disputed as is_disputed,
        updated_at as updated_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'buyer_id': 'firm'}) }}

)

select * from final
