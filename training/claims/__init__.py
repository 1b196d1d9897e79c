"""The value of a model to a lender compared with another, on rows with known outcomes."""
