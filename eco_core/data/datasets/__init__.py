"""Named data sets: the catalogue of the core, loaders of published graphs, and a generator."""
