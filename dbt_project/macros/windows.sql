{#- Last month that has ended, as its first day. `lag_days`: how many days after its end a
    month is published by its source. -#}
{% macro last_month(as_of, lag_days=0) -%}
    cast(date_trunc('month', {{ as_of }} + 1 - {{ lag_days }}) - interval 1 month as date)
{%- endmacro %}


{#- First month of each window that ends with `last_month`, as columns. Computed once per snapshot, for
    a join compares it with many months. -#}
{% macro windows_of(last_month) -%}
    {%- for months in [6, 7, 8, 12, 18, 24] -%}
        cast({{ last_month }} - interval {{ months - 1 }} month as date) as since_{{ months }}m
        {{- ',\n' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{#- Sum of a monthly measure over `months` months, skipping the `skip` newest;
    `age` counts months back from the newest. -#}
{% macro window_sum(measure, months, skip=0) -%}
    coalesce(sum({{ measure }}) filter (
        where age between {{ skip }} and {{ skip + months - 1 }}
    ), 0)
{%- endmacro %}


{#- Joins `months`, one row per month with its `age`, to every month of each window: the newest
    `length` months, limited to the length of the window (its column `span`). A month without
    a row gives nulls. -#}
{% macro join_every_month(windows, span, months, length) -%}
    inner join (
        select unnest(range({{ length }})) as age
    ) as ages on {{ windows }}.{{ span }} > ages.age
    left join {{ months }}
        on
            {{ windows }}.firm_id = {{ months }}.firm_id
            and {{ windows }}.as_of = {{ months }}.as_of
            and ages.age = {{ months }}.age
{%- endmacro %}


{#- Square of an amount or energy, as a decimal: its sum is the same in whatever order the rows come. Not
    even absurd amounts overflow. -#}
{% macro squared(amount) -%}
    case
        when {{ amount }} is not null
            then cast(least(pow(cast({{ amount }} as double), 2), 1e30) as decimal(38, 4))
    end
{%- endmacro %}


{#- A value within bounds; null stays null, which least() and greatest() would leave out. -#}
{% macro within(value, low, high) -%}
    case
        when {{ value }} < {{ low }} then {{ low }}
        when {{ value }} > {{ high }} then {{ high }}
        else {{ value }}
    end
{%- endmacro %}


{#- Population standard deviation over mean, at most 10: where more was taken back than sold in some months,
    the mean may be next to nothing. Months of the window without a row count as zero. -#}
{% macro coefficient_of_variation(total, total_of_squares, months) -%}
    case
        when {{ total }} > 0 and {{ months }} >= 3
            then least(
                    sqrt(greatest(
                        {{ total_of_squares }} / {{ months }} - pow({{ total }} / {{ months }}, 2), 0
                    )) / ({{ total }} / {{ months }}),
                    10
                )
    end
{%- endmacro %}


{#- Sum of a measure over a month if bills cover at least half of its days, scaled as if they
    covered all of them; null below. Groups are months of `facts`. -#}
{% macro whole_month(measure) -%}
    case
        when bit_count(bit_or(facts.covered_days)) * 2 >= day(last_day(facts.month))
            then cast(
                    sum({{ measure }}) * day(last_day(facts.month))
                    / bit_count(bit_or(facts.covered_days))
                    as decimal(18, 2)
                )
    end
{%- endmacro %}


{#- Bit mask of the days of one month from `first` to `last`; bit 0 is the 1st. -#}
{% macro day_mask(first, last) -%}
    (1::bigint << day({{ last }})::integer) - (1::bigint << (day({{ first }})::integer - 1))
{%- endmacro %}


{#- Whether enough of `total` has known texts for flows by category to be observed. -#}
{% macro is_known_flow(unknown, total) -%}
    coalesce(
        cast({{ unknown }} as double) / nullif(cast({{ total }} as double), 0), 0
    ) <= {{ var('bank_unknown_share') }}
{%- endmacro %}
