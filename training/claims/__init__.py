"""What a model is worth to a lender against another, on rows whose outcomes are known."""
