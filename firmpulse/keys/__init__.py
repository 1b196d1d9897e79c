"""Keys and what is done with them: wrapping, renewal, tokens."""
