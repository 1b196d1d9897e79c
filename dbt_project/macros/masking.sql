{#- Rows of a vault table that this staging model has not masked yet. -#}
{% macro unmasked(table) -%}
    select *
    from {{ source('vault', table) }}
    where
        -- A delivery that was cut short has rows and does not count.
        delivery_seq <= (select coalesce(max(landed.delivery_seq), 0) from vault.ops.landed)
        {%- if is_incremental() %}
        and delivery_seq > (select coalesce(max(delivery_seq), 0) from {{ this }})
        {%- endif %}
{%- endmacro %}


{#- The rows of `relation` with tokens in place of identifiers. `domains` says of which domain the
    token of each column is, such as {'firm_id': 'firm', 'account_id': 'account'}. The firm's own
    token is always there; that of another firm is null where the identifier is a person's. -#}
{% macro tokenised(relation, domains) -%}
    {%- set columns_of = {} -%}
    {%- for column, domain in domains.items() -%}
        {%- do columns_of.setdefault(domain, []).append(column) -%}
    {%- endfor -%}
    with
    {%- for domain, columns in columns_of.items() %}
    {{ domain }}_tokens as materialized (
        {{ distinct_tokens(relation, domain, columns) }}
    ){{ ',' if not loop.last }}
    {%- endfor %}

    select
        {{ relation }}.* replace (
            {%- for column in domains %}
            {{ column }}_tokens.token_id as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
    from {{ relation }}
    {%- for column, domain in domains.items() %}
    {{ 'inner' if column == 'firm_id' else 'left' }} join {{ domain }}_tokens as {{ column }}_tokens
        on
            {{ relation }}.{{ column }} = {{ column }}_tokens.identifier
            {%- if domain == 'firm' and column != 'firm_id' %}
            and not {{ column }}_tokens.is_person
            {%- endif %}
    {%- endfor %}
{%- endmacro %}


{#- Token of every value that appears in `columns`; for firms a value is scheme:identifier.
    Distinct values first: an identifier appears in thousands of rows and is hashed once. -#}
{% macro distinct_tokens(relation, domain, columns) -%}
    select
        identifier,
        {{ is_person('identifier') if domain == 'firm' else 'false' }} as is_person,
        token('{{ domain }}', identifier) as token_id
    from (
        {%- for column in columns %}
        select {{ column }} as identifier from {{ relation }}
        {%- if not loop.last %}
        union
        {%- elif columns | length == 1 %}
        group by {{ column }}
        {%- endif %}
        {%- endfor %}
    )
    where identifier is not null
{%- endmacro %}


{#- Whether scheme:identifier is a resident's identity number (18 digits with a birth date, two
    more where it serves as a taxpayer number) or the zeros that invoices to persons carry. -#}
{% macro is_person(identifier) -%}
    regexp_full_match(
        {{ identifier }},
        '[a-z0-9_]+:(?:0+|[1-8]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX](?:\d{2})?)'
    )
{%- endmacro %}


{#- An identifier as it stands in a row, with the scheme of the firm that the row belongs to. -#}
{% macro with_scheme(column) -%}
    case when {{ column }} <> '' then split_part(firm, ':', 1) || ':' || {{ column }} end
{%- endmacro %}
