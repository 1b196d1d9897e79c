"""Registry and point-in-time frame: the inputs of training and scoring."""
