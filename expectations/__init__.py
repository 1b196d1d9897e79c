"""Great Expectations suites and the one call that checks a batch."""
