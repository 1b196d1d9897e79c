{#- Rows of a vault table that this staging model has not masked yet. -#}
{% macro unmasked(table) -%}
    select *
    from {{ source('vault', table) }}
    {%- if is_incremental() %}
    where delivery_seq > (select coalesce(max(delivery_seq), 0) from {{ this }})
    {%- endif %}
{%- endmacro %}


{#- Token of every value that appears in `columns`; for firms a value is scheme:identifier.
    Distinct values first: an identifier appears in thousands of rows and is hashed once. -#}
{% macro distinct_tokens(relation, domain, columns) -%}
    select
        identifier,
        token('{{ domain }}', identifier) as token_id
    from (
        {%- for column in columns %}
        select {{ column }} as identifier from {{ relation }}
        {%- if not loop.last %}
        union
        {%- else %}
        {%- if columns | length == 1 %}
        group by {{ column }}
        {%- endif %}
        {%- endif %}
        {%- endfor %}
    )
    where identifier is not null
{%- endmacro %}


{#- An identifier as it stands in a row, with the scheme of the firm that the row belongs to. -#}
{% macro with_scheme(column) -%}
    case when {{ column }} <> '' then split_part(firm, ':', 1) || ':' || {{ column }} end
{%- endmacro %}
