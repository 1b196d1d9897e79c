"""Contracts, reading, landing: from a provider's files to typed rows in the vault."""
