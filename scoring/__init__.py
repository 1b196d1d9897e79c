"""Score firms with the champion and publish the results."""
