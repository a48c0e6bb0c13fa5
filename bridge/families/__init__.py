"""The declarations of the families, one module each: `family(words)`, and in `SHAPES` which other shapes it has."""
