"""Airflow DAGs: schedule, parameters, edges."""
