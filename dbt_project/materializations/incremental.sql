{#- dbt's own, in slices. -#}
{% materialization incremental, adapter="duckdb" -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_table = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is none or should_full_refresh() -%}
        {%- do build_anew(existing, target_table) -%}
    {%- else -%}
        {%- do build_news(target_table) -%}
    {%- endif -%}
    {%- do persist_docs(target_table, model) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target_table]}) }}
{%- endmaterialization %}


{#- A new table is built beside the old one. Of more than one slice, each is kept: a build that was
    interrupted goes on after the last one, unless the SQL, the landings or the slices are others.
    Facts are ordered by firm, so that a slice of what is made of them skips most blocks. -#}
{% macro build_anew(existing, target_table) -%}
    {%- set beside = make_intermediate_relation(target_table) -%}
    {%- set parts = slices() -%}
    {%- set made_of, done = '', 0 -%}
    {%- if parts | length > 1 -%}
        {%- set made_of = local_md5(compiled_code ~ parts ~ newest_landing()) -%}
        {%- set done = slices_done(beside, made_of) -%}
    {%- endif -%}
    {%- if not done -%}
        {%- call statement('empty') -%}
            drop table if exists {{ beside }};
            {{ create_table_as(False, beside, 'select * from (' ~ compiled_code ~ '\n) limit 0') }}
        {%- endcall -%}
    {%- endif -%}
    {%- set of_months = 'month' in (config.get('unique_key') or []) -%}
    {%- for part in parts[done:] -%}
        {%- call statement('main') -%}
            {{ enter(part) }}
            insert into {{ beside }} by name (
                {{ compiled_code }}
            )
            {{ 'order by firm_id, month' if of_months }};
        {%- endcall -%}
        {%- do say_progress(done + loop.index, parts) -%}
        {%- if parts | length > 1 -%}
            {%- call statement('kept') -%}
                comment on table {{ beside }} is '{{ made_of }} {{ done + loop.index }}'
            {%- endcall -%}
            {%- do adapter.commit() -%}
        {%- endif -%}
    {%- endfor -%}
    {%- call statement('main') -%}
        {{ leave() }}
        {% if parts | length > 1 -%} comment on table {{ beside }} is null; {%- endif %}
        {% if existing -%} drop {{ existing.type }} {{ existing }}; {%- endif %}
        alter table {{ beside }} rename to {{ adapter.quote(target_table.identifier) }};
    {%- endcall -%}
{%- endmacro %}


{#- News of an existing table replace its rows of the same keys. Snapshots are kept slice by slice,
    for each shows what it was built with; all else only as a whole. -#}
{% macro build_news(target_table) -%}
    {#- A build anew that nobody goes on with. -#}
    {%- do run_query('drop table if exists ' ~ make_intermediate_relation(target_table)) -%}
    {%- set fresh = make_temp_relation(target_table) -%}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set strategy = adapter.get_incremental_strategy_macro(
        context, config.get('incremental_strategy')
    ) -%}
    {%- set parts = slices() -%}
    {%- for part in parts -%}
        {%- call statement('fresh') -%}
            {{ enter(part) }}
            {{ create_table_as(True, fresh, compiled_code) }}
        {%- endcall -%}
        {%- set columns = process_schema_changes(
            config.get('on_schema_change'), fresh, target_table
        ) or adapter.get_columns_in_relation(target_table) -%}
        {%- call statement('main') -%}
            {{ strategy({
                'target_relation': target_table, 'temp_relation': fresh, 'unique_key': unique_key,
                'dest_columns': columns, 'incremental_predicates': none
            }) }};
            drop table {{ fresh }};
            {{ leave() }}
        {%- endcall -%}
        {%- do say_progress(loop.index, parts) -%}
        {%- if unique_key and 'as_of' in unique_key -%}
            {%- do adapter.commit() -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}


{% macro say_progress(done, parts) -%}
    {%- if parts | length > 1 -%}
        {%- do log(
            this.identifier ~ ': slice ' ~ done ~ ' of ' ~ parts | length
            ~ (' to ' ~ parts[done - 1].last_as_of[6:16] if parts[0].last_as_of else ''),
            info=true
        ) -%}
    {%- endif -%}
{%- endmacro %}


{% macro enter(part) -%}
    {%- for name, value in part.items() %}
    set variable {{ name }} = {{ value }};
    {%- endfor %}
{%- endmacro %}


{% macro leave() -%}
    {%- for name in ['first_firm', 'last_firm', 'first_as_of', 'last_as_of'] %}
    reset variable {{ name }};
    {%- endfor %}
{%- endmacro %}


{#- How many slices a half-built table has, if it is made of the same. -#}
{% macro slices_done(beside, made_of) -%}
    {%- set found = run_query(
        "select split_part(comment, ' ', 2) from duckdb_tables() where comment like '" ~ made_of ~ " %'"
        ~ " and database_name = '" ~ beside.database ~ "' and table_name = '" ~ beside.identifier ~ "'"
    ) -%}
    {{ return(found.columns[0].values()[0] | int if found | length else 0) }}
{%- endmacro %}


{% macro newest_landing() -%}
    {{ return(run_query('select max(delivery_seq) from vault.ops.landed').columns[0].values()[0]) }}
{%- endmacro %}
