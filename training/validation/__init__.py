"""Validation of a version: sample, segments, sources, stress, findings, pack."""
