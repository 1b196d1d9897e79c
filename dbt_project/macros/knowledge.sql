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


{#- The rows of the firm-months that news touched: all versions of the months where a row is new,
    or was replaced. On a full refresh: every row. `rows_cte` has firm_id, month, row_id.
    `months_around`: how many months before and after a new row may change with it.
    Versions are never removed, so each touched month still has rows and the delete+insert by
    (firm_id, month) leaves nothing stale; for that, facts keep rows that count in no snapshot. -#}
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


{#- Snapshots whose features are missing, or were built before news about them had landed. With
    the variables `rebuild_from` and `rebuild_to`: every snapshot of these dates, and no other.
    `last_month` is the newest month that a snapshot counts. -#}
{% macro snapshots_to_build(lag_days=0) -%}
    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        {{ last_month('snapshots.as_of', lag_days) }} as last_month
    from {{ ref('firm_snapshots') }} as snapshots
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


{#- Joins a monthly fact to the snapshots that may count it. -#}
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
