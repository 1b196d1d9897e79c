"""HTML pages: a report per firm and one for the portfolio, on screen, on A4 and as PDF."""
