"""Great Expectations suites and the one call that checks a batch."""

from expectations.validation import Validation, require, validate

__all__ = ["Validation", "require", "validate"]
