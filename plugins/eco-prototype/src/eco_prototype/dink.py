"""The cluster head of Dink-Net: centres that move apart while the nodes are pulled towards them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eco_core import BaseClusterHead, LossOutput
from eco_prototype.centers import check_centers, squared_distances


class DinkClusterHead(BaseClusterHead):
    r"""The head of Dink-Net (Liu et al., ICML 2023, arXiv 2305.18405).

    The dilation loss pushes the K centres away from each other, the shrink loss pulls the N nodes towards all of them:

    .. math::
        L_{dilation} = \frac{-1}{(K - 1) K} \sum_{i=1}^{K} \sum_{j \ne i} \lVert c_i - c_j \rVert^2, \qquad
        L_{shrink} = \frac{1}{N K} \sum_{i=1}^{N} \sum_{j=1}^{K} \lVert \hat z_i - c_j \rVert^2, \qquad
        L = L_{dilation} + L_{shrink}

    where :math:`\hat z_i = z_i / \lVert z_i \rVert`. A node belongs to the nearest centre; its soft assignment is
    :math:`\mathrm{softmax}_j(- \lVert \hat z_i - c_j \rVert)`.

    The loss takes time and memory in N + K, not in N times K. It has no lower bound: the centres go on moving apart, so
    train it for a fixed number of epochs, at a small learning rate.

    Args:
        n_clusters: Number of clusters K. With a single cluster, the dilation loss is 0.
        n_features: Width of the embeddings.
        normalize: Whether embeddings and given centres are scaled to unit length.

    Attributes:
        cluster_centers: The centres, a parameter of shape (n_clusters, n_features); training may change their length.
    """

    soft = True

    def __init__(self, n_clusters: int, n_features: int, normalize: bool = True) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.n_features = n_features
        self.normalize = normalize
        self.cluster_centers = nn.Parameter(torch.empty(n_clusters, n_features))
        self.reset_cluster_centers()

    @torch.no_grad()
    def reset_cluster_centers(self, centers: Tensor | None = None) -> None:
        """Sets the centres.

        Args:
            centers: Centres of shape (n_clusters, n_features), for example from k-means; None: Xavier uniform. With
                ``normalize`` only their directions count, so means of embeddings of any length will do.

        Raises:
            ValueError: The centres have another shape.
        """
        if centers is None:
            nn.init.xavier_uniform_(self.cluster_centers)
        else:
            check_centers(centers, self.n_clusters, self.n_features)
            self.cluster_centers.copy_(F.normalize(centers, dim=-1) if self.normalize else centers)

    def forward(self, z: Tensor) -> LossOutput:
        """Returns the clustering loss.

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            The loss, with its parts ``dilation`` and ``shrink``.
        """
        with torch.autocast(device_type=z.device.type, enabled=False):
            z, centers = self._points(z)
            middle = centers.mean(dim=0)
            # The means over all pairs need no distance of a pair: the squared distances between K points sum to 2 K
            # times their squared distances to the middle, and the mean of |z - c|^2 is the mean of |z - middle|^2 plus
            # the mean of |c - middle|^2.
            spread = (centers - middle).square().sum()
            dilation = -2 * spread / max(1, self.n_clusters - 1)
            shrink = (z - middle).square().sum(dim=-1).mean() + spread / self.n_clusters
        return LossOutput(total=dilation + shrink, dilation=dilation, shrink=shrink)

    @torch.no_grad()
    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Assigns nodes to clusters.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return probabilities instead of labels.

        Returns:
            Labels of shape (num_nodes,), dtype int64; or with ``soft`` probabilities (num_nodes, n_clusters).
        """
        with torch.autocast(device_type=z.device.type, enabled=False):
            distances = squared_distances(*self._points(z))
            return (-distances.sqrt()).softmax(dim=-1) if soft else distances.argmin(dim=-1)

    def _points(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The embeddings and the centres as the loss compares them, in the wider of their dtypes."""
        dtype = torch.promote_types(z.dtype, self.cluster_centers.dtype)
        z = z.to(dtype)
        return F.normalize(z, dim=-1) if self.normalize else z, self.cluster_centers.to(dtype)
