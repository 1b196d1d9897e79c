"""Tables of signed authorisations and lists of firms, as banks keep them in spreadsheets."""
