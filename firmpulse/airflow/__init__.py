"""Airflow and MLflow around one home folder: environment, runs, schedule, servers, alerts."""
