"""Results for one recipient, signed and encrypted: a lender receives these instead of data."""
