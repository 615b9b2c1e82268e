"""Charts drawn on the server as SVG, one a file; each stands beside a table that says the same."""
