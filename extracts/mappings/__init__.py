"""Mappings: what the files of a provider are, written once and used for every later delivery."""
