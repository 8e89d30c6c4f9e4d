"""Compiled function of `eco_core.data.structure_features`; see `eco_core.ops.compiled`."""

from __future__ import annotations

from eco_core.ops.compiled import compiled


@compiled
def count_triangles(indptr, indices, last, out):  # type: ignore[no-untyped-def]
    """Adds to ``out`` (num_nodes,), int64, the number of triangles of each node.

    ``indptr`` (num_nodes + 1,) and ``indices`` (num_edges,), int64, are edges from nodes of lower degree to nodes of
    higher degree, as in a CSR matrix: so each triangle a -> b -> c, a -> c is met once. ``last`` (num_nodes,), int64,
    all -1, is working memory: the node whose successor a node last was.
    """
    for a in range(indptr.shape[0] - 1):
        for place in range(indptr[a], indptr[a + 1]):
            last[indices[place]] = a
        for place in range(indptr[a], indptr[a + 1]):
            b = indices[place]
            for further in range(indptr[b], indptr[b + 1]):
                c = indices[further]
                if last[c] == a:
                    out[a] += 1
                    out[b] += 1
                    out[c] += 1
