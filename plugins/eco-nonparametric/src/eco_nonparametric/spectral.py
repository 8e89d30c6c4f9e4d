"""The spectral head: spectral clustering of the embeddings' nearest-neighbour graph."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_array, csr_array, diags_array
from torch import Tensor, nn

from eco_core import BaseClusterHead
from eco_core.ops import TorchKMeans
from eco_core.parts import buffers_of_any_size, checked
from eco_nonparametric.checks import checked_embeddings

_SMALL = 200
"""Up to this many nodes all eigenvectors are computed: the iterative method needs many more nodes than vectors."""


@checked
class SpectralClusterHead(BaseClusterHead):
    r"""Normalised spectral clustering (Ng, Jordan & Weiss, NIPS 2001; von Luxburg, 2007, arXiv 0711.0189).

    This head is discrete. It links the embeddings to their nearest neighbours: :math:`A_{ij}` is 1 if i and j are among
    each other's ``n_neighbors`` nearest neighbours, 1/2 if only one is among the other's, else 0. The rows of the K
    leading eigenvectors of :math:`D^{-1/2} A D^{-1/2}`, scaled to unit length, are clustered by k-means. The matrices
    are sparse. It finds clusters of any shape, such as rings, and the components of a graph that is not connected. Only
    the encoder uses the data's own edges.

    A node that was not fitted gets the cluster of the nearest fitted node.

    Args:
        n_clusters: Number of clusters K.
        n_neighbors: Number of nearest neighbours; all other nodes if there are fewer.
        n_init: Restarts of k-means.
        random_state: Seed; None: a different seed each time.

    Attributes:
        points_: The fitted embeddings, (num_nodes, n_features), float32; of shape (0, 0) before `fit`.
        labels_: Their clusters, (num_nodes,), int64; empty before `fit`.
        confidence_: The share of each fitted node's adjacency that leads to its own cluster, (num_nodes,), float32.

    Raises:
        ValueError: If ``n_clusters``, ``n_neighbors`` or ``n_init`` is below 1.
    """

    points_: Tensor
    labels_: Tensor
    confidence_: Tensor

    def __init__(
        self,
        n_clusters: Annotated[int, Field(ge=1)],
        n_neighbors: Annotated[int, Field(ge=1)] = 10,
        n_init: Annotated[int, Field(ge=1)] = 10,
        random_state: int | None = None,
    ) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors
        self.n_init = n_init
        self.random_state = random_state
        self.register_buffer("points_", torch.empty(0, 0))
        self.register_buffer("labels_", torch.empty(0, dtype=torch.long))
        self.register_buffer("confidence_", torch.empty(0))
        buffers_of_any_size(self, "points_", "labels_", "confidence_")

    @torch.no_grad()
    def fit(self, z: Any) -> SpectralClusterHead:
        """Finds the clusters.

        Args:
            z: Embeddings of shape (num_nodes, n_features): a tensor, dense or sparse, or an array.

        Returns:
            This head.

        Raises:
            ValueError: If ``z`` is not a matrix, has fewer than ``n_clusters`` rows, or holds NaN or infinity.
        """
        points = checked_embeddings(z, type(self).__name__, self.n_clusters).float()
        adjacency = neighbor_graph(points.cpu().numpy(), self.n_neighbors)
        vectors = torch.from_numpy(leading_eigenvectors(adjacency, self.n_clusters, self.random_state))
        rows = nn.functional.normalize(vectors, dim=1)
        labels = TorchKMeans(self.n_clusters, n_init=self.n_init, random_state=self.random_state).fit(rows).labels_
        self.points_ = points.clone()
        self.labels_ = labels.to(points.device)
        self.confidence_ = torch.from_numpy(_own_share(adjacency, labels.numpy())).to(points)
        return self

    def fit_predict(self, z: Any) -> Tensor:
        """Finds the clusters and returns the labels of the same embeddings; see `fit`."""
        return self.fit(z).labels_

    def cluster(self, z: Any, soft: bool = False) -> Tensor:
        """Returns the clusters of the fitted nodes; any other node gets the cluster of the nearest fitted node.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return the assignment as probabilities; each row is one-hot.

        Returns:
            Labels of shape (num_nodes,), int64; with ``soft`` shape (num_nodes, K), float32.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width that was fitted, or holds NaN or infinity.
        """
        labels = self.labels_[self._nearest(z)]
        return nn.functional.one_hot(labels, self.n_clusters).float() if soft else labels

    def confidence(self, z: Any) -> Tensor:
        """Returns how clearly each node belongs to its cluster.

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            The share of a fitted node's adjacency that leads to its own cluster, in [0, 1]: shape (num_nodes,),
            float32. Any other node gets the share of the nearest fitted node.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width that was fitted, or holds NaN or infinity.
        """
        return self.confidence_[self._nearest(z)]

    def _nearest(self, z: Any) -> Tensor:
        """The index of the nearest fitted node, for each row: (num_nodes,), int64."""
        if not len(self.labels_):
            raise RuntimeError("This SpectralClusterHead has no clusters yet; call fit(z) first, or load a fitted one.")
        points = checked_embeddings(z, type(self).__name__, width=self.points_.shape[1]).float()
        if points.shape == self.points_.shape and torch.equal(points, self.points_.to(points.device)):
            # Not by distance, because copies of a point can be in several clusters.
            return torch.arange(len(points), device=self.labels_.device)
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=1).fit(self.points_.cpu().numpy())
        nearest = search.kneighbors(points.cpu().numpy(), return_distance=False)[:, 0]
        return torch.from_numpy(nearest).long().to(self.labels_.device)


def neighbor_graph(points: NDArray[np.float32], n_neighbors: int) -> csr_array:
    """Links points to their nearest neighbours.

    Args:
        points: Shape (num_nodes, n_features).
        n_neighbors: Number of nearest neighbours; all other points if there are fewer.

    Returns:
        Symmetric (num_nodes, num_nodes) adjacency: 1 for two points that are each other's neighbours, 1/2 if only one
        is the other's neighbour.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(n_neighbors, len(points) - 1)
    if count < 1:
        return csr_array((len(points), len(points)))
    directed = csr_array(NearestNeighbors(n_neighbors=count).fit(points).kneighbors_graph())
    return csr_array((directed + directed.T) / 2)


def leading_eigenvectors(adjacency: csr_array, count: int, seed: int | None = None) -> NDArray[np.float64]:
    """Returns the eigenvectors of the normalised adjacency with the largest eigenvalues.

    Each connected component has one eigenvector with the eigenvalue 1: the square roots of its degrees. These are
    computed directly, because an iteration that starts from one vector can miss some of them. If there are more
    components than wanted vectors, the vectors of the largest components are returned.

    Args:
        adjacency: Symmetric, not negative, (num_nodes, num_nodes).
        count: Number of eigenvectors, at most num_nodes.
        seed: Seed of the vector that the iteration starts from.

    Returns:
        Orthonormal columns, (num_nodes, count), the largest eigenvalue first.
    """
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import LinearOperator, eigsh

    num_nodes = adjacency.shape[0]
    degree = np.asarray(adjacency.sum(axis=1), dtype=np.float64)
    root = np.sqrt(np.where(degree > 0, degree, 1))
    number, member = connected_components(adjacency, directed=False)
    largest = np.argsort(-np.bincount(member), kind="stable")[:count]
    known = np.where(member[:, None] == largest, root[:, None], 0)
    known /= np.linalg.norm(known, axis=0)
    wanted = count - number
    if wanted <= 0:
        return known
    scale = diags_array(1 / root)
    normalized = csr_array(scale @ adjacency @ scale)
    krylov = max(4 * wanted + 1, 40)
    if num_nodes <= max(_SMALL, krylov):
        others = np.linalg.eigh(normalized.toarray() - 2 * known @ known.T)[1][:, ::-1][:, :wanted]
        return np.hstack([known, others])

    def without_known(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        return normalized @ vector - 2 * (known @ (known.T @ vector))  # The known eigenvalues 1 become -1.

    operator = LinearOperator((num_nodes, num_nodes), matvec=without_known, dtype=np.float64)
    start = np.random.default_rng(seed).uniform(-1, 1, num_nodes)
    values, vectors = eigsh(operator, k=wanted, which="LA", v0=start, ncv=krylov, tol=1e-8)
    return np.hstack([known, vectors[:, np.argsort(-values, kind="stable")]])


def _own_share(adjacency: csr_array, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    pairs = coo_array(adjacency)
    row, column = pairs.coords
    total = np.bincount(row, pairs.data, len(labels))
    own = np.bincount(row, pairs.data * (labels[row] == labels[column]), len(labels))
    return np.clip(np.divide(own, total, out=np.ones(len(labels)), where=total > 0), 0, 1)
