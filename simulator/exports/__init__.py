"""Files in the foreign shapes in which banks, tax bureaus and power companies export them."""
