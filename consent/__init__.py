"""Grants: who authorised which source, for what and until when."""
