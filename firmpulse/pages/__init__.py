"""What all pages for people share: charts, number formats, the look, and how one becomes a PDF."""
