"""Makes edges out of features: each node is joined to its nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def nearest_neighbor_edges(x: Tensor, k: int, metric: str = "euclidean") -> Tensor:
    """Joins each node to its ``k`` nearest neighbours.

    Args:
        x: Features (num_nodes, num_features), dense or sparse.
        k: The number of neighbours; at most one less than the number of nodes.
        metric: A metric of scikit-learn's ``NearestNeighbors``.

    Returns:
        Directed edges (2, num_nodes * k), int64, from each node to its neighbours.
    """
    import scipy.sparse as sp
    from sklearn.neighbors import NearestNeighbors

    num_nodes = int(x.shape[0])
    k = min(k, num_nodes - 1)
    if k < 1:
        return torch.zeros((2, 0), dtype=torch.int64)
    if x.is_sparse:
        x = x.coalesce()
        rows, columns = x.indices().numpy()
        points = sp.csr_matrix((x.values().numpy(), (rows, columns)), shape=tuple(x.shape))
    else:
        points = x.numpy()
    neighbors = NearestNeighbors(n_neighbors=k, metric=metric).fit(points).kneighbors(return_distance=False)
    sources = np.repeat(np.arange(num_nodes), k)
    return torch.from_numpy(np.stack([sources, neighbors.astype(np.int64).ravel()]))


__all__ = ["nearest_neighbor_edges"]
