"""Kernel of Firmpulse: settings, errors, calendar, keys, warehouse access, tokens, dbt runner."""
