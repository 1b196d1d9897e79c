"""Registry, point-in-time frame: what training and scoring read."""
