"""Graphs that are objects of other libraries: PyG's own variants, networkx, igraph, SciPy."""
