"""Ports as people got them wrong, as data: which lines, and who may be blamed for them."""
