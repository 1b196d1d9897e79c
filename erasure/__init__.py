"""Erasure of a firm's data once its authorisation has ended."""
