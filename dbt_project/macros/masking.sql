{#- Rows of a vault table that this staging model has not masked yet. -#}
{% macro unmasked(table) -%}
    select *
    from {{ source('vault', table) }}
    where
        -- An interrupted delivery has rows but does not count.
        delivery_seq <= (select coalesce(max(landed.delivery_seq), 0) from vault.ops.landed)
        {%- if is_incremental() %}
        and delivery_seq > (select coalesce(max(delivery_seq), 0) from {{ this }})
        {%- endif %}
{%- endmacro %}


{#- The rows of `relation` with tokens instead of identifiers. `domains` gives the domain of the
    token of each column, such as {'firm_id': 'firm', 'account_id': 'account'}. Persons and
    placeholders have no identifier in the vault, so they have no token. -#}
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
    {%- endfor %}
{%- endmacro %}


{#- Token of every value that appears in `columns`; for firms a value is scheme:identifier.
    Distinct values first: an identifier appears in thousands of rows but is hashed once. -#}
{% macro distinct_tokens(relation, domain, columns) -%}
    select
        identifier,
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


{#- The identifier of another firm as in a row, with the scheme of the firm to which the row
    belongs; null if it is that firm itself, which is not its own counterparty. -#}
{% macro with_scheme(column) -%}
    nullif(
        case when {{ column }} <> '' then split_part(firm, ':', 1) || ':' || {{ column }} end, firm
    )
{%- endmacro %}


{#- An amount in CNY; null without a rate, or with one that makes 10^16 CNY of it. A rate has eight
    decimals, so that the product of millions needs more digits than an amount has. -#}
{% macro in_cny(amount) -%}
    case
        when currency = 'CNY' then {{ amount }}
        else try_cast(cast({{ amount }} as decimal(28, 2)) * fx_rate as decimal(18, 2))
    end
{%- endmacro %}
