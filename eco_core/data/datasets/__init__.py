"""Data sets that can be named: the catalogue, published graphs and generated ones."""
