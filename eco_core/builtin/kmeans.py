"""The k-means cluster head: a discrete head on finished embeddings."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from eco_core.inject import checked
from eco_core.ops.kmeans import Criterion, TorchKMeans
from eco_core.ops.nearest_centers import as_points, nearest_centers
from eco_core.parts.heads import BaseClusterHead, buffers_of_any_size


@checked
class KMeansClusterHead(BaseClusterHead):
    """K-means (Lloyd, 1982), initialised by k-means++ (Arthur & Vassilvitskii, SODA 2007).

    The head is discrete: it has no loss. ``fit(z)`` finds the centres; they are a buffer, so that they move and are
    saved with the module.

    Args:
        n_clusters: Number of clusters K.
        backend: ``"torch"``, ``"sklearn"`` or ``"auto"``. ``"auto"`` takes torch, which runs all restarts at the same
            time; for sparse embeddings on the CPU it takes scikit-learn, which does not make them dense.
        n_init: Number of restarts; the best restart is kept, see ``criterion``.
        max_iter: Maximum number of iterations of a restart.
        random_state: Seed; None gives a different result each time.
        criterion: The best restart minimises ``"inertia"``, the sum of squared distances, or ``"distance"``, the sum of
            plain distances. In a sum of plain distances a few far nodes count less; k-means++ then also draws by plain
            distances. Only torch has ``"distance"``.

    Attributes:
        cluster_centers_: Centres of shape (K, n_features), float32; of shape (K, 0) before `fit`.
        labels_: Clusters of the nodes that were fitted, shape (num_nodes,), int64; None before `fit`.
        inertia_: Sum of the squared distances of these nodes to their centres; None before `fit`.

    Raises:
        ValueError: If ``n_clusters``, ``n_init`` or ``max_iter`` is below 1, the backend or the criterion is unknown,
            or ``criterion="distance"`` is combined with ``backend="sklearn"``.
    """

    cluster_centers_: Tensor

    def __init__(
        self,
        n_clusters: Annotated[int, Field(ge=1)],
        backend: Literal["auto", "sklearn", "torch"] = "auto",
        n_init: Annotated[int, Field(ge=1)] = 10,
        max_iter: Annotated[int, Field(ge=1)] = 300,
        random_state: int | None = None,
        criterion: Criterion = "inertia",
    ) -> None:
        super().__init__()
        if backend == "sklearn" and criterion != "inertia":
            raise ValueError(
                f"criterion is {criterion!r}, but scikit-learn compares restarts by inertia alone. Use backend 'torch'."
            )
        self.n_clusters = n_clusters
        self.backend = backend
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.criterion = criterion
        self.labels_: Tensor | None = None
        self.inertia_: float | None = None
        self.register_buffer("cluster_centers_", torch.empty(n_clusters, 0))
        buffers_of_any_size(self, "cluster_centers_")

    @torch.no_grad()
    def fit(self, z: Any) -> KMeansClusterHead:
        """Finds the centres.

        Args:
            z: Embeddings of shape (num_nodes, n_features): a tensor, dense or sparse, or an array.

        Returns:
            This head.

        Raises:
            ValueError: If ``z`` is not a matrix, has fewer than ``n_clusters`` rows, or holds NaN or infinity.
        """
        points = as_points(z, self.n_clusters).float()
        stays_sparse = points.is_sparse and points.device.type == "cpu" and self.criterion == "inertia"
        if self.backend == "sklearn" or (self.backend == "auto" and stays_sparse):
            self.cluster_centers_, self.inertia_ = self._fit_sklearn(points)
            # Not kmeans.labels_ of scikit-learn: it can break ties differently from a later predict(z).
            self.labels_ = nearest_centers(points, self.cluster_centers_)[0]
        else:
            kmeans = TorchKMeans(
                self.n_clusters,
                n_init=self.n_init,
                max_iter=self.max_iter,
                random_state=self.random_state,
                criterion=self.criterion,
            ).fit(points)
            self.cluster_centers_, self.labels_, self.inertia_ = (
                kmeans.cluster_centers_,
                kmeans.labels_,
                kmeans.inertia_,
            )
        return self

    def _fit_sklearn(self, points: Tensor) -> tuple[Tensor, float]:
        from sklearn.cluster import KMeans  # The import takes half a second.

        kmeans = KMeans(
            self.n_clusters, n_init=self.n_init, max_iter=self.max_iter, random_state=self.random_state, copy_x=True
        )
        # scikit-learn's OpenMP threads add their partial sums in the order in which they finish. With several threads,
        # the last bits of the centres would differ from run to run.
        with threadpool_limits(limits=1, user_api="openmp"):
            kmeans.fit(_to_scipy(points) if points.is_sparse else points.cpu().numpy())
        return torch.from_numpy(kmeans.cluster_centers_).to(points.device, torch.float32), float(kmeans.inertia_)

    def predict(self, z: Any) -> Tensor:
        """Returns the nearest centre of each node.

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            Clusters of shape (num_nodes,), dtype int64, on the device of ``z``.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width of the centres, or holds NaN or infinity.
        """
        return self._nearest(z)[0]

    def fit_predict(self, z: Any) -> Tensor:
        """Finds the centres and returns the clusters of the same embeddings; see `fit` and `predict`."""
        return cast(Tensor, self.fit(z).labels_)  # Not None: `fit` sets labels_.

    def cluster(self, z: Any, soft: bool = False) -> Tensor:
        """Returns the clusters of embeddings.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return a soft assignment. K-means has no probabilities, so each row is one-hot.

        Returns:
            Labels of shape (num_nodes,), int64; with ``soft`` shape (num_nodes, K), float32.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width of the centres, or holds NaN or infinity.
        """
        labels = self.predict(z)
        return nn.functional.one_hot(labels, self.n_clusters).float() if soft else labels

    def confidence(self, z: Any) -> Tensor:
        """Returns how clearly each node belongs to its cluster: the simplified silhouette (Hruschka et al., 2006).

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            ``(d2 - d1) / d2`` with the Euclidean distances to the nearest and second nearest centre, from 0 (between
            two centres) to 1 (on a centre): shape (num_nodes,). 1 if there is one cluster, 0 where ``d2`` is 0.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` does not have the width of the centres, or holds NaN or infinity.
        """
        distances = self._nearest(z)[1].float()
        if self.n_clusters == 1:
            return torch.ones_like(distances[:, 0])
        first, second = distances.unbind(1)
        return torch.where(second > 0, (second - first) / second, 0)

    def _nearest(self, z: Any) -> tuple[Tensor, Tensor]:
        if self.cluster_centers_.shape[1] == 0:
            raise RuntimeError("This KMeansClusterHead has no centres yet; call fit(z) first, or load fitted ones.")
        return nearest_centers(z, self.cluster_centers_)


def _to_scipy(points: Tensor) -> Any:
    points = points.cpu()
    return csr_matrix((points.values().numpy(), points.indices().numpy()), shape=tuple(points.shape))
