{#- Large tables are built a slice at a time, so that no statement needs more than a slice in memory.
    A slice is a range of firms. Tokens are spread evenly: ranges of equal width have about as many
    firms. A model whose rows depend on other firms has the meta `sliced_by: as_of`, and its slices
    are ranges of dates. -#}


{#- True for what belongs to the slice that is being built; without slices, for everything. -#}
{% macro in_slice(firm_id, as_of=none) -%}
    {%- if target.type != 'duckdb' -%}
        true
    {%- elif model.config.meta.get('sliced_by') != 'as_of' -%}
        {{ firm_id }} >= coalesce(
            getvariable('first_firm'), '00000000-0000-0000-0000-000000000000'::uuid
        )
        and {{ firm_id }} <= coalesce(
            getvariable('last_firm'), 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
        )
    {%- elif as_of -%}
        {{ as_of }} >= coalesce(getvariable('first_as_of'), date '0001-01-01')
        and {{ as_of }} <= coalesce(getvariable('last_as_of'), date '9999-12-31')
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#- The slices of the model, each as the SQL of its bounds by variable; one without bounds if
    the rows to read are few, or belong to no slice. -#}
{% macro slices() -%}
    {#- A build that failed may have left its bounds in this connection. -#}
    {%- do run_query(leave()) -%}
    {%- set rows_at_once = var('rows_at_once') | int -%}
    {%- if not rows_at_once or "getvariable('first_" not in compiled_code -%}
        {{ return([{}]) }}
    {%- endif -%}
    {%- set count = [(rows_to_read() / rows_at_once) | round(0, 'ceil') | int, 1] | max -%}
    {%- if model.config.meta.get('sliced_by') == 'as_of' -%}
        {{ return(slices_of_dates(count)) }}
    {%- endif -%}
    {%- set found = [] -%}
    {%- for place in range(count) -%}
        {%- set first = '%04x' % (65536 * place // count) -%}
        {%- set last = '%04x' % (65536 * (place + 1) // count - 1) -%}
        {%- do found.append({
            'first_firm': "'" ~ first ~ "0000-0000-0000-0000-000000000000'::uuid",
            'last_firm': "'" ~ last ~ "ffff-ffff-ffff-ffff-ffffffffffff'::uuid",
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{% macro slices_of_dates(count) -%}
    {%- set query -%}
        select distinct as_of
        from ({{ snapshots_to_build() }})
        order by as_of
    {%- endset -%}
    {%- set dates = run_query(query).columns[0].values() -%}
    {%- set found = [] -%}
    {%- for some in dates | batch([dates | length // count, 1] | max) -%}
        {%- do found.append({
            'first_as_of': "date '" ~ some[0] ~ "'",
            'last_as_of': "date '" ~ some[-1] ~ "'",
        }) -%}
    {%- endfor -%}
    {{ return(found or [{}]) }}
{%- endmacro %}


{#- About how many rows of staging and facts the model reads. What a snapshot reads counts for each
    snapshot to build. -#}
{% macro rows_to_read() -%}
    {%- set parents = [] -%}
    {%- for node in model.depends_on.nodes if node.startswith('model.') -%}
        {%- do parents.append(node.split('.')[-1]) -%}
    {%- endfor -%}
    {%- set spine = parents | select('in', ['firm_snapshots', 'watch_snapshots']) | first -%}
    {%- set query -%}
        with stored as (
            select coalesce(sum(estimated_size), 0) as row_count
            from duckdb_tables()
            where
                database_name = '{{ this.database }}'
                and schema_name in ('staging', 'facts')
                and table_name in ('{{ parents | join("', '") }}')
        )

        {% if spine -%}
        select row_count * coalesce(
            (select count(*) from ({{ snapshots_to_build(spine=spine) }}))
            / nullif((select count(distinct firm_id) from {{ ref(spine) }}), 0), 0
        )
        from stored
        {%- else -%}
        select row_count
        from stored
        {%- endif %}
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0] | float) }}
{%- endmacro %}


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
    interrupted goes on after the last one, unless the SQL, the landings or the slices are others. -#}
{% macro build_anew(existing, target_table) -%}
    {%- set beside = make_intermediate_relation(target_table) -%}
    {%- set parts = slices() -%}
    {%- set made_of = local_md5(compiled_code ~ parts ~ newest_landing()) -%}
    {%- set done = slices_done(beside, made_of) -%}
    {%- if not done -%}
        {%- call statement('empty') -%}
            drop table if exists {{ beside }};
            {{ create_table_as(False, beside, 'select * from (' ~ compiled_code ~ '\n) limit 0') }}
        {%- endcall -%}
    {%- endif -%}
    {%- for part in parts[done:] -%}
        {%- call statement('main') -%}
            {{ enter(part) }}
            insert into {{ beside }} by name (
                {{ compiled_code }}
            );
        {%- endcall -%}
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
    {%- set fresh = make_temp_relation(target_table) -%}
    {%- set unique_key = config.get('unique_key') -%}
    {%- set strategy = adapter.get_incremental_strategy_macro(
        context, config.get('incremental_strategy')
    ) -%}
    {%- for part in slices() -%}
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
        {%- if unique_key and 'as_of' in unique_key -%}
            {%- do adapter.commit() -%}
        {%- endif -%}
    {%- endfor -%}
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
