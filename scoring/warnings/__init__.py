"""Early warnings: rules as configuration, levels that rise at once and fall slowly."""
