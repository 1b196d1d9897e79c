"""Read a delivered file: its encoding, its table, its columns, its cells."""
