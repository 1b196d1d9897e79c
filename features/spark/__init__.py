"""Builds facts and features on Spark, from the same dbt models as DuckDB.

Spark is in a separate environment, `make spark`, and nothing else imports this package.
"""
