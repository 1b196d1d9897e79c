with source as not materialized (

    {{ unmasked('sc_project') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        contract_no as contract_id,
        {{ with_scheme("buyer_uscc") }} as client_id,
        amount as contract_cny,
        planned as planned_on,
        accepted as accepted_on,
        invoiced as invoiced_cny,
        received as received_cny,
        penalty as penalty_cny,
        terminated as is_terminated,
        updated_at as updated_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm', 'contract_id': 'contract', 'client_id': 'firm'}) }}

)

select * from final
