"""Shared parts of all HTML pages: charts, number formats, style, and PDF."""
