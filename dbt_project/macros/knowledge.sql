{#- Every version of every row, with the month of `day` and the interval in which a snapshot must
    count it: from the day it was known (a month counts only once it has ended, so no earlier than
    the month's last day) until the day a newer version replaced it. -#}
{% macro monthly_rows(relation, day) -%}
    select
        versions.* exclude (available_at{{ ', month' if day == 'month' }}),
        cast(date_trunc('month', versions.{{ day }}) as date) as month,
        greatest(versions.available_at, last_day(versions.{{ day }})) as available_at,
        greatest(
            coalesce(successors.available_at, date '9999-12-31'), last_day(versions.{{ day }})
        ) as superseded_at
    from {{ relation }} as versions
    left join (
        select
            row_id,
            record_version,
            available_at
        from {{ relation }}
        where record_version > 1
    ) as successors
        on
            versions.row_id = successors.row_id
            and versions.record_version = successors.record_version - 1
{%- endmacro %}


{#- The rows of the firm-months with news: all versions of the months in which a row is new,
    or was replaced. On a full refresh: every row. `rows_cte` has firm_id, month, row_id.
    `months_around`: how many months before and after a new row may also change.
    Versions are never removed, so each touched month still has rows and the delete+insert by
    (firm_id, month) leaves nothing stale; therefore facts keep rows that count in no snapshot. -#}
{% macro touched(rows_cte, months_around=0) -%}
    select {{ rows_cte }}.*
    from {{ rows_cte }}
    {%- if is_incremental() %}
    semi join (
        select distinct
            moved.firm_id,
            moved.month
        from {{ rows_cte }} as moved
        where
            moved.row_id in (
                select fresh.row_id
                from {{ rows_cte }} as fresh
                where fresh.delivery_seq > (
                    select coalesce(max(built.delivery_seq), 0) from {{ this }} as built
                )
            )
    ) as touched_months
        on
            {{ rows_cte }}.firm_id = touched_months.firm_id
            and {{ rows_cte }}.month
            {%- if months_around %}
            between touched_months.month - interval {{ months_around }} month
            and touched_months.month + interval {{ months_around }} month
            {%- else %}
            = touched_months.month
            {%- endif %}
    {%- endif %}
{%- endmacro %}


{#- True for the parts of a fact that were known at the snapshot's as_of. -#}
{% macro known_at(fact, snapshot) -%}
    {{ fact }}.available_at <= {{ snapshot }}.as_of
    and {{ snapshot }}.as_of < {{ fact }}.superseded_at
{%- endmacro %}


{#- Snapshots whose features are missing, or were built before news about them landed. With
    the variables `rebuild_from` and `rebuild_to`: only the snapshots of these dates.
    `last_month` is the newest month of a snapshot. `spine`: the table of snapshots. -#}
{% macro snapshots_to_build(lag_days=0, spine='firm_snapshots') -%}
    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        {{ last_month('snapshots.as_of', lag_days) }} as last_month
    from {{ ref(spine) }} as snapshots
    {%- if var('rebuild_from') %}
    where
        snapshots.as_of between
        cast('{{ var("rebuild_from") }}' as date) and cast('{{ var("rebuild_to") }}' as date)
    {%- elif is_incremental() %}
    anti join {{ this }} as built
        on
            snapshots.firm_id = built.firm_id
            and snapshots.as_of = built.as_of
            and snapshots.through_seq = built.through_seq
    {%- endif %}
{%- endmacro %}


{#- Joins a monthly fact to the snapshots that may use it. -#}
{% macro join_known(fact, months=none) -%}
    inner join {{ fact }} as facts
        on
            snapshots.firm_id = facts.firm_id
            and facts.month <= snapshots.last_month
            {%- if months is not none %}
            and facts.month > snapshots.last_month - interval {{ months }} month
            {%- endif %}
            and {{ known_at('facts', 'snapshots') }}
{%- endmacro %}


{#- One row per firm, table and day from which it is collected: a provider that delivers rows of the
    firm, in one of `relations`, delivers the table too, with or without a row of the firm. -#}
{% macro collected_tables(relations) -%}
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

        {%- for staged in relations %}
            select
                firm_id,
                delivery_seq,
                min(available_at) as available_at
            from {{ staged }}
            group by firm_id, delivery_seq
            {%- if not loop.last %}
                union all
            {%- endif %}
        {%- endfor %}

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
