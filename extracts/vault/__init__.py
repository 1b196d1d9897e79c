"""Land what was read: the gate, versions of rows, the record of each delivery."""
