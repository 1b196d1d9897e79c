"""Keys and their use: wrapping, renewal, tokens."""
