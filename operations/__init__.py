"""Operations: the state of a home folder, the health of its model, backup and restore."""
