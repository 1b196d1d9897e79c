"""Applications for credit: a form field by field, and files of many."""
