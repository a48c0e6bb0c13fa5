"""Reports: the same plain data for the terminal, for programs, and for pages."""
