"""Builds facts and features on Spark, from the same dbt models as DuckDB.

Spark is in an environment of its own, `make spark`, and nothing else imports this package.
"""
