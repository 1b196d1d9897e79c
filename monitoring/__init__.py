"""Did last night work, what is late, what needs somebody, and does the model still hold."""
