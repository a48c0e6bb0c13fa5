"""The declarations of the families, one module each, each with one `FAMILY`."""
