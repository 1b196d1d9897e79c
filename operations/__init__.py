"""Running it: the state of a home folder, the health of its model, back-ups and restoring."""
