"""The declarations of the families, one module each: `family(words)`, and in `SHAPES` its other shapes than the usual."""
