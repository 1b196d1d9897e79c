with source as not materialized (

    {{ unmasked('tax_registration') }}

),

renamed as not materialized (

    select
        row_id,
        record_version,
        delivery_seq,
        available_at,
        firm as firm_id,
        -- Province of the registering authority; for reports by region, never a feature.
        case when firm like 'uscc:%' then substr(firm, 8, 2) end as province_code,
        status,
        taxpayer_type,
        industry_code,
        reg_type as registration_type,
        reg_date as registered_on,
        updated_at as updated_on
    from source

),

final as (

    {{ tokenised('renamed', {'firm_id': 'firm'}) }}

)

select * from final
