{#- No cell of these columns is null. One test of a model: to start a test takes dbt many times
    longer than its query. -#}
{% test no_nulls(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
