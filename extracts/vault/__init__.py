"""Landing: the gate, versions of rows, the record of each delivery."""
