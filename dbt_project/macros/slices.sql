{#- Large tables are built a slice at a time, so that no statement needs more than a slice in memory.
    A slice is a range of firms. Tokens are spread evenly: ranges of equal width have about as many
    firms. A model whose rows depend on other firms has the meta `sliced_by: as_of`, and its slices
    are ranges of dates. -#}


{#- True for what belongs to the slice that is being built; without slices, for everything. -#}
{% macro in_slice(firm_id, as_of=none) -%}
    {%- if model.config.meta.get('sliced_by') != 'as_of' -%}
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
