"""Connections to providers: request their files, fetch them into the inbox."""
