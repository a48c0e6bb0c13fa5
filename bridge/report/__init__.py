"""Reports: the same plain data for the terminal and for programs."""
