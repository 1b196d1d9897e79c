{#- On Spark a model gives the same as its query on DuckDB, in the types of its contract. -#}
{% macro spark__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    create table {{ relation }}
    {{ file_format_clause() }}
    as
    {{ adapter.translated(compiled_code, model, graph) }}
{%- endmacro %}
