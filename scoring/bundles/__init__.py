"""Results for one recipient, signed and encrypted: what a lender gets instead of data."""
