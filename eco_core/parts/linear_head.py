"""A base class for heads whose soft assignment is the softmax of a linear map of the embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eco_core.parts.heads import BaseClusterHead

_LOGIT_MARGIN = 4.0
"""Mean logit margin between a centre's own cluster and any other, after k-means initialisation."""

_INITIAL_LENGTH = 2.0
"""Initial length of a cluster's weight row.

Initial weight rows are orthogonal if n_features >= n_clusters, so that no two clusters start equal. If all soft
assignments are nearly equal, the loss of a partition has almost no gradient: with length 1, DMoN's loss does not begin
to fall on CiteSeer. Of 1, 2 and 4, 2 is the smallest length with which it falls. It ends lower than with Xavier's
initial weights (-0.72 instead of -0.68; on Cora -0.69 instead of -0.63).
"""


_ROWS = 2**18
"""Number of nodes that are assigned to clusters at a time."""


class LinearClusterHead(BaseClusterHead):
    r"""Soft assignment by a linear map: :math:`S = \mathrm{softmax}((Z W^T + b) / \tau)`.

    The base of heads whose loss is a function of the partition S: modularity, cut, codelength, likelihood of blocks.
    Such heads override ``forward``, and compute S by `assignment`.

    Args:
        n_clusters: Number of clusters K.
        n_features: Width of the embeddings.
        temperature: The temperature :math:`\tau`.

    Attributes:
        projection: The linear map, from n_features to n_clusters.
    """

    soft = True

    def __init__(self, n_clusters: int, n_features: int, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; it must be positive.")
        self.n_clusters = n_clusters
        self.n_features = n_features
        self.temperature = temperature
        self.projection = nn.Linear(n_features, n_clusters)
        self.reset_cluster_centers()

    @torch.no_grad()
    def reset_cluster_centers(self, centers: Tensor | None = None) -> None:
        r"""Initialises the linear map.

        With centres :math:`c_k`, the logit of cluster k is :math:`(z^T c_k - \lVert c_k \rVert^2 / 2) / \sigma^2`: the
        nearest centre has the highest logit, as in k-means. :math:`\sigma` is chosen so that at a centre, the logits of
        the other clusters are lower by 4 on average. This keeps the partition of k-means, but training can still change
        it.

        Args:
            centers: Centres of shape (n_clusters, n_features), for example from k-means; None: random orthogonal
                weights of length 2, and no bias.

        Raises:
            ValueError: If the centres have another shape.
        """
        weight, bias = self.projection.weight, self.projection.bias
        if centers is None:
            nn.init.orthogonal_(weight, gain=_INITIAL_LENGTH)
            bias.zero_()
            return
        if centers.shape != (self.n_clusters, self.n_features):
            raise ValueError(
                f"The centres have shape {tuple(centers.shape)}; expected (n_clusters, n_features) = "
                f"({self.n_clusters}, {self.n_features})."
            )
        # Use double precision: squares of very long or very short centres leave the range of single precision.
        centers = centers.to(device=weight.device, dtype=torch.float64)
        # Subtract the mean of the centres. It shifts all logits of a node equally, and reduces rounding errors if the
        # centres are far from the origin.
        mean = centers.mean(dim=0)
        offsets = centers - mean
        squared = offsets.square().sum(dim=1)
        # The mean squared distance of two different centres is 2 K / (K - 1) times the mean of these squares.
        distance = 2 * squared.sum() / max(1, self.n_clusters - 1)
        # Centres that differ only by rounding errors count as equal: a tiny variance would turn errors into weights.
        rounding = (torch.finfo(weight.dtype).eps * mean.norm()).square().clamp(min=torch.finfo(torch.float64).tiny)
        variance = (distance / (2 * _LOGIT_MARGIN)).clamp(min=rounding) / self.temperature
        weight.copy_(offsets / variance)
        bias.copy_(-(squared / 2 + offsets @ mean) / variance)

    def log_assignment(self, z: Tensor) -> Tensor:
        """Returns log S, of shape (num_nodes, n_clusters), in single precision or better, also under autocast."""
        weight, bias = self.projection.weight, self.projection.bias
        dtype = torch.promote_types(torch.promote_types(z.dtype, weight.dtype), torch.float32)
        with torch.autocast(device_type=z.device.type, enabled=False):
            logits = F.linear(z.to(dtype), weight.to(dtype), bias.to(dtype))
            return F.log_softmax(logits / self.temperature, dim=-1)

    def assignment(self, z: Tensor) -> Tensor:
        """Returns S, of shape (num_nodes, n_clusters): entries are not negative, and rows sum to 1."""
        return self.log_assignment(z).exp()

    @torch.no_grad()
    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Assigns nodes to clusters.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return probabilities instead of labels.

        Returns:
            Labels of shape (num_nodes,), dtype int64; or with ``soft`` the assignment S, (num_nodes, n_clusters).
        """
        # Work in blocks: for millions of nodes, the logits and their softmax would be the largest tensors of a run.
        found = [
            self.log_assignment(rows) if soft else self.log_assignment(rows).argmax(dim=-1) for rows in z.split(_ROWS)
        ]
        return torch.cat(found).exp_() if soft else torch.cat(found)


__all__ = ["LinearClusterHead"]
