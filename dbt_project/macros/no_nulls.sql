{#- No cell of these columns is null: one test of a model, as each test that dbt starts takes as long
    as its query twenty times over. -#}
{% test no_nulls(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
