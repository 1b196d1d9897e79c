"""Sample, fit, calibrate, evaluate and register model versions."""
