{#- Rows of a vault table that this staging model has not masked yet. -#}
{% macro unmasked(table) -%}
    select *
    from {{ source('vault', table) }}
    {%- if is_incremental() %}
    where delivery_seq > (select coalesce(max(delivery_seq), 0) from {{ this }})
    {%- endif %}
{%- endmacro %}


{#- Token of every identifier that appears in `columns` (values in the form scheme:value).
    Distinct values first: a firm appears in thousands of rows and is hashed once. -#}
{% macro firm_tokens(relation, columns) -%}
    select
        identifier,
        token('firm', identifier) as firm_id
    from (
        {%- for column in columns %}
        select {{ column }} as identifier from {{ relation }}
        {%- if not loop.last %}
        union
        {%- endif %}
        {%- endfor %}
    )
    where identifier is not null
{%- endmacro %}


{#- An identifier as it stands in a row, with the scheme of the firm that the row belongs to. -#}
{% macro with_scheme(column) -%}
    case when {{ column }} <> '' then split_part(firm, ':', 1) || ':' || {{ column }} end
{%- endmacro %}
