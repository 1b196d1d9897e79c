{#- On Spark a model gives the same as its query on DuckDB, in the types of its contract. -#}
{% macro spark__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    create table {{ relation }}
    {{ file_format_clause() }}
    as
    {{ adapter.translated(compiled_code, model, graph) }}
{%- endmacro %}

{#- A statement that fails where a column that the contract wants filled is null. DuckDB holds tables
    to that itself; Spark does not. -#}
{% macro no_nulls() -%}
    {%- if target.type == 'spark' -%}
        {%- set filled = [] -%}
        {%- for column in model.columns.values() if column.constraints -%}
            {%- do filled.append(column.name) -%}
        {%- endfor -%}
        {%- if filled -%}
            select raise_error('{{ this.identifier }}: a null in one of {{ filled | join(", ") }}')
            from {{ this }}
            where {% for name in filled %}{{ name }} is null{{ " or " if not loop.last }}{% endfor %}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
