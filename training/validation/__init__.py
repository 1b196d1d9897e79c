"""A version as a validator looks at it: sample, segments, sources, stress, findings, pack."""
