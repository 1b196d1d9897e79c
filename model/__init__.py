"""What a credit model is, and how it explains itself."""
