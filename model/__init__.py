"""The credit model and its explanations."""
