"""Data sets with a name: the catalogue of the core, loaders of published graphs, and a generator."""
