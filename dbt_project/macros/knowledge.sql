{#- Every version of the rows of `staged`, with the month of their day and the interval in which a snapshot
    must count it: from the day it was known (a month counts only once it has ended, so no earlier
    than the month's last day) until the day a newer version replaced it.
    Once the fact exists, only rows of the touched months and of `days_around` before and after them.
    Versions are never removed, so each touched month still has rows and the delete+insert by
    (firm_id, month) leaves nothing stale; therefore facts keep rows that count in no snapshot. -#}
{% macro monthly_rows(staged, days_around=0) -%}
    {%- set day = day_of(staged) | trim -%}
    {#- Named here too, where dbt finds it before it knows whether the fact exists. -#}
    {%- set _ = landed_of(staged) -%}
    select
        versions.* exclude (available_at{{ ', month' if day == 'month' }}),
        {{ month_of('versions.' ~ day) }} as month,
        greatest(versions.available_at, last_day(versions.{{ day }})) as available_at,
        greatest(
            coalesce(successors.available_at, date '9999-12-31'), last_day(versions.{{ day }})
        ) as superseded_at
    from {{ ref(staged) }} as versions
    {%- if is_incremental() %}
    semi join {{ touched_months(staged, days_around) }} as touched
        on
            versions.firm_id = touched.firm_id
            {%- if days_around %}
            and versions.{{ day }} >= touched.month - {{ days_around }}
            and versions.{{ day }} <= last_day(touched.month) + {{ days_around }}
            {%- else %}
            and {{ month_of('versions.' ~ day) }} = touched.month
            {%- endif %}
    {%- endif %}
    left join (
        select
            row_id,
            record_version,
            available_at
        from {{ ref(staged) }}
        where record_version > 1 and {{ in_slice('firm_id') }}
    ) as successors
        on
            versions.row_id = successors.row_id
            and versions.record_version = successors.record_version - 1
    where
        {{ in_slice('versions.firm_id') }}
        {%- if is_incremental() %}
        and versions.{{ day }} >= date '{{ earliest_touched(staged, days_around) }}' - {{ days_around }}
        {%- endif %}
{%- endmacro %}


{#- The rows of touched months. -#}
{% macro touched(rows_cte, staged, days_around) -%}
    select {{ rows_cte }}.*
    from {{ rows_cte }}
    {%- if is_incremental() %}
    semi join {{ touched_months(staged, days_around) }} as touched
        on
            {{ rows_cte }}.firm_id = touched.firm_id
            and {{ rows_cte }}.month = touched.month
    {%- endif %}
{%- endmacro %}


{#- The table of what landings brought to the source of `staged`, such as stg_tax__invoice. -#}
{% macro landed_of(staged) -%}
    {{ ref('landed_' ~ staged.split('__')[0].split('_')[1]) }}
{%- endmacro %}


{#- The column with the day of a row of `staged`, which puts it into a month; none without one. -#}
{% macro day_of(staged) -%}
    {%- for node in (graph.nodes or {}).values() if node.name == staged and node.config.meta.day -%}
        {{ node.config.meta.day }}
    {%- endfor -%}
    {#- While dbt parses, it knows no other nodes. -#}
    {{ 'day' if not graph.nodes }}
{%- endmacro %}


{#- What each landing brought news of: firm-months of the tables `staged`, or firms if their rows have
    no day. A month in which a row was replaced has news too. Only landings that are not in the
    table yet are read. -#}
{% macro landed(tables) -%}
    {%- set seen = built_through() if is_incremental() else 0 -%}
    with landed as (

        {%- for staged in tables %}
            {%- set day = day_of(staged) | trim %}
            select
                '{{ staged }}' as table_name,
                firm_id,
                {{ month_of(day) if day else 'cast(null as date)' }} as month,
                {{ 'min(' ~ day ~ ')' if day else 'cast(null as date)' }} as first_day,
                {{ 'max(' ~ day ~ ')' if day else 'cast(null as date)' }} as final_day,
                delivery_seq,
                min(available_at) as available_at
            from {{ ref(staged) }}
            where delivery_seq > {{ seen }}
            group by all
            {%- if day %}
                union all
                select
                    '{{ staged }}' as table_name,
                    newer.firm_id,
                    {{ month_of('older.' ~ day) }} as month,
                    min(older.{{ day }}) as first_day,
                    max(older.{{ day }}) as final_day,
                    newer.delivery_seq,
                    min(newer.available_at) as available_at
                from {{ ref(staged) }} as newer
                inner join {{ ref(staged) }} as older
                    on
                        newer.row_id = older.row_id
                        and newer.record_version = older.record_version + 1
                where newer.delivery_seq > {{ seen }} and newer.record_version > 1
                group by all
            {%- endif %}
            {%- if not loop.last %}
                union all
            {%- endif %}
        {%- endfor %}

    ),

    final as (

        select
            table_name,
            firm_id,
            month,
            min(first_day) as first_day,
            max(final_day) as final_day,
            delivery_seq,
            min(available_at) as available_at
        from landed
        group by all

    )

    select * from final
{%- endmacro %}


{#- What landings brought, of every source. -#}
{% macro landed_everywhere() -%}
    {%- for source in [
        'tax', 'bank', 'supply', 'power', 'founders', 'projects', 'public', 'lender'
    ] %}
        select
            table_name,
            firm_id,
            month,
            delivery_seq,
            available_at
        from {{ ref('landed_' ~ source) }}
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
{%- endmacro %}


{#- Firm-months that change with rows of `staged` which this fact does not have yet: those of the rows, and
    of `days_around` before and after them. -#}
{% macro touched_months(staged, days_around) -%}
    (
        select distinct
            landed.firm_id,
            {% if days_around -%}
            cast(unnest(generate_series(
                {{ month_of('landed.first_day - ' ~ days_around) }},
                {{ month_of('landed.final_day + ' ~ days_around) }},
                interval 1 month
            )) as date) as month
            {%- else -%}
            landed.month
            {%- endif %}
        from {{ landed_of(staged) }} as landed
        where
            landed.table_name = '{{ staged }}'
            and landed.delivery_seq > {{ built_through() }}
            and {{ in_slice('landed.firm_id') }}
    )
{%- endmacro %}


{% macro month_of(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}


{#- The newest landing in the table of this model. Asked beforehand: comparing with a constant, the
    database skips the blocks of older landings. -#}
{% macro built_through() -%}
    {%- if execute -%}
        {{ run_query('select coalesce(max(delivery_seq), 0) from ' ~ this).columns[0].values()[0] }}
    {%- else -%}
        0
    {%- endif -%}
{%- endmacro %}


{#- The first touched month, for the same reason; far ahead if there are none. -#}
{% macro earliest_touched(staged, days_around) -%}
    {%- if execute -%}
        {{ run_query(
            "select coalesce(min(month), date '9999-01-01') from " ~ touched_months(staged, days_around)
        ).columns[0].values()[0] }}
    {%- else -%}
        9999-01-01
    {%- endif -%}
{%- endmacro %}


{#- True for the parts of a fact that were known at the snapshot's as_of. -#}
{% macro known_at(fact, snapshot) -%}
    {{ fact }}.available_at <= {{ snapshot }}.as_of
    and {{ snapshot }}.as_of < {{ fact }}.superseded_at
{%- endmacro %}


{#- One row per firm and date with the newest landing that is known by then, for every date from the
    first one with anything known. `news` has firm_id, available_at and delivery_seq, `firms` the
    firms, `dates` the dates. Only rows that are missing, or that newer landings change. -#}
{% macro known_through(news, firms, dates) -%}
    {% if is_incremental() -%}
        with changed as (

            select
                firm_id,
                min(available_at) as since
            from {{ news }}
            where delivery_seq > (select coalesce(max(built.through_seq), 0) from {{ this }} as built)
            group by firm_id

        ),

        wanted as (

            select
                {{ firms }}.firm_id,
                {{ dates }}.as_of
            from {{ firms }}
            cross join {{ dates }}
            left join changed on {{ firms }}.firm_id = changed.firm_id
            left join {{ this }} as built
                on
                    {{ firms }}.firm_id = built.firm_id
                    and {{ dates }}.as_of = built.as_of
            where built.firm_id is null or {{ dates }}.as_of >= changed.since

        ),
    {%- else -%}
        with wanted as (

            select
                {{ firms }}.firm_id,
                {{ dates }}.as_of
            from {{ firms }}
            cross join {{ dates }}

        ),
    {%- endif %}

    -- Per firm and date, the newest news on or before its day.
    moments as (

        select
            firm_id,
            available_at as day,
            max(delivery_seq) as delivery_seq,
            false as is_wanted
        from {{ news }}
        group by firm_id, available_at
        union all
        select
            firm_id,
            as_of as day,
            cast(null as bigint) as delivery_seq,
            true as is_wanted
        from wanted

    ),

    known as (

        select
            firm_id,
            day,
            is_wanted,
            max(delivery_seq) over (
                partition by firm_id order by day
            ) as through_seq
        from moments

    ),

    latest as (

        select
            firm_id,
            day as as_of,
            through_seq
        from known
        where is_wanted and through_seq is not null

    )

    select * from latest
{%- endmacro %}


{#- Snapshots whose features are missing, or were built before news about them landed. With
    the variables `rebuild_from` and `rebuild_to`: only the snapshots of these dates.
    `last_month` is the newest month of a snapshot. `spine`: the table of snapshots. -#}
{% macro snapshots_to_build(lag_days=0, spine='firm_snapshots') -%}
    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        {{ last_month('snapshots.as_of', lag_days) }} as last_month,
        {{ windows_of(last_month('snapshots.as_of', lag_days)) }}
    from {{ ref(spine) }} as snapshots
    {%- if is_incremental() and not var('rebuild_from') %}
    anti join {{ this }} as built
        on
            snapshots.firm_id = built.firm_id
            and snapshots.as_of = built.as_of
            and snapshots.through_seq = built.through_seq
    {%- endif %}
    where
        {{ in_slice('snapshots.firm_id', 'snapshots.as_of') }}
        {%- if var('rebuild_from') %}
        and snapshots.as_of between
        cast('{{ var("rebuild_from") }}' as date) and cast('{{ var("rebuild_to") }}' as date)
        {%- endif %}
{%- endmacro %}


{#- For features that depend on other firms. `wanted` are the snapshots to build; `snapshots` are those of
    all firms at their dates; `moved` are the dates of which a firm has news, so that all their rows are
    to be kept. Where none has news, only the wanted rows are, so that no other firm's past changes. -#}
{% macro snapshots_of_all_firms() -%}
wanted as (

    {{ snapshots_to_build() }}

),

built as (

    {% if is_incremental() and not var('rebuild_from') -%}
        select
            as_of,
            max(through_seq) as through_seq
        from {{ this }}
        group by as_of
    {%- else -%}
        select
            cast(null as date) as as_of,
            cast(null as bigint) as through_seq
        where false
    {%- endif %}

),

moved as (

    select every_firm.as_of
    from {{ ref('firm_snapshots') }} as every_firm
    left join built on every_firm.as_of = built.as_of
    group by every_firm.as_of
    having max(every_firm.through_seq) > coalesce(max(built.through_seq), -1)

),

snapshots as (

    select
        every_firm.firm_id,
        every_firm.as_of,
        every_firm.through_seq,
        {{ last_month('every_firm.as_of') }} as last_month,
        {{ windows_of(last_month('every_firm.as_of')) }}
    from {{ ref('firm_snapshots') }} as every_firm
    where every_firm.as_of in (select wanted.as_of from wanted)

)
{%- endmacro %}


{#- Joins a monthly fact to the snapshots that may use it. -#}
{% macro join_known(fact, months=none) -%}
    inner join {{ fact }} as facts
        on
            snapshots.firm_id = facts.firm_id
            and facts.month <= snapshots.last_month
            {%- if months is not none %}
            and facts.month >= snapshots.since_{{ months }}m
            {%- endif %}
            and {{ known_at('facts', 'snapshots') }}
            and {{ in_slice('facts.firm_id') }}
{%- endmacro %}


{#- The rows of `staged` that each snapshot knows, each in its newest version by then; for tables with few
    rows per firm, which need no monthly fact. -#}
{% macro known_rows(staged) -%}
    select
        snapshots.as_of,
        versions.*
    from snapshots
    inner join {{ ref(staged) }} as versions
        on
            snapshots.firm_id = versions.firm_id
            and snapshots.as_of >= versions.available_at
            and {{ in_slice('versions.firm_id') }}
    qualify
        row_number() over (
            partition by snapshots.as_of, versions.row_id
            order by versions.record_version desc
        ) = 1
{%- endmacro %}


{#- One row per firm, table and day from which it is collected: a provider that delivers rows of the
    firm, in one of the tables that `landed` notes, delivers the table too, with or without a row of it. -#}
{% macro collected_tables(landed) -%}
    with landings as (

        select distinct
            delivery_seq,
            source,
            provider
        from {{ source('ops', 'deliveries') }}
        where status = 'landed'

    ),

    -- A history covers all the time before it, an increment the time from its night on.
    delivered as (

        select
            source,
            provider,
            table_name,
            kind,
            min(case when kind = 'history' then date '1900-01-01' else as_of end) as delivered_from,
            min(delivery_seq) as delivery_seq
        from {{ source('ops', 'deliveries') }}
        where status = 'landed'
        group by source, provider, table_name, kind

    ),

    pieces as (

        select
            firm_id,
            delivery_seq,
            min(available_at) as available_at
        from {{ landed }}
        group by firm_id, delivery_seq

    ),

    -- A provider covers a firm from its first delivered row of the firm.
    providers as (

        select
            pieces.firm_id,
            landings.source,
            landings.provider,
            min(pieces.available_at) as known_from,
            min(pieces.delivery_seq) as delivery_seq
        from pieces
        inner join landings on pieces.delivery_seq = landings.delivery_seq
        group by pieces.firm_id, landings.source, landings.provider

    ),

    final as (

        select
            providers.firm_id,
            delivered.table_name,
            greatest(providers.known_from, delivered.delivered_from) as available_at,
            max(greatest(providers.delivery_seq, delivered.delivery_seq)) as delivery_seq
        from providers
        inner join delivered
            on
                providers.source = delivered.source
                and providers.provider = delivered.provider
        group by
            providers.firm_id,
            delivered.table_name,
            greatest(providers.known_from, delivered.delivered_from)

    )

    select * from final
{%- endmacro %}
