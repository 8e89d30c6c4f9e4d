"""AnnData objects and ``.h5ad`` files: cells with expression, coordinates and neighbour graphs."""
