"""Interpretable neural clustering: k-means as a differentiable layer."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from eco_core import BaseClusterHead
from eco_core.parts import checked
from eco_prototype.centers import check_centers


@checked
class INCClusterHead(BaseClusterHead):
    r"""The head of interpretable neural clustering (Peng et al., JMLR 2022, "XAI Beyond Classification").

    k-means on the unit sphere, written as a linear layer with weights :math:`W = 2 \alpha \Omega` whose rows
    :math:`\omega_j` are the centres. With :math:`\hat z_i = z_i / \lVert z_i \rVert` and :math:`c(i)` the nearest
    centre, the loss is the mean squared distance to it:

    .. math::
        L = \frac{1}{\alpha N} \sum_i (2 \alpha - w_{c(i)}^T \hat z_i)
          = \frac{1}{N} \sum_i \lVert \hat z_i - \omega_{c(i)} \rVert^2

    The soft assignment of a node is :math:`\mathrm{softmax}(W \hat z_i)`. The centres are brought to unit
    length wherever they are used. Scaling their gradients, as the paper does, is left to the optimiser: Adam scales
    them by itself.

    Args:
        n_clusters: Number of clusters.
        n_features: Width of the embeddings.
        alpha: Scale of the weights: the larger, the sharper the soft assignment. The loss and the labels do not depend
            on it.

    Attributes:
        cluster_centers: The centres, a parameter of shape (n_clusters, n_features); their directions count.
    """

    soft = True

    def __init__(self, n_clusters: int, n_features: int, alpha: Annotated[float, Field(gt=0)] = 0.001) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.n_features = n_features
        self.alpha = alpha
        self.cluster_centers = nn.Parameter(torch.empty(n_clusters, n_features))
        self.reset_cluster_centers()

    @torch.no_grad()
    def reset_cluster_centers(self, centers: Tensor | None = None) -> None:
        """Sets the centres, at unit length.

        Args:
            centers: Centres of shape (n_clusters, n_features), for example from k-means; None: Xavier uniform.

        Raises:
            ValueError: The centres have another shape.
        """
        if centers is None:
            nn.init.xavier_uniform_(self.cluster_centers)
            centers = self.cluster_centers
        check_centers(centers, self.n_clusters, self.n_features)
        self.cluster_centers.copy_(F.normalize(centers, dim=-1))

    def forward(self, z: Tensor) -> Tensor:
        """Returns the clustering loss, a scalar from 0 (each node at its centre) to 4.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
        """
        return (2 - 2 * self._cosines(z).amax(dim=-1)).mean()

    @torch.no_grad()
    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Assigns nodes to clusters.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return probabilities instead of labels.

        Returns:
            Labels of shape (num_nodes,), dtype int64; or with ``soft`` probabilities (num_nodes, n_clusters).
        """
        cosines = self._cosines(z)
        return (2 * self.alpha * cosines).softmax(dim=-1) if soft else cosines.argmax(dim=-1)

    @torch.no_grad()
    def confidence(self, z: Tensor) -> Tensor:
        """Returns how clearly each node belongs to its cluster; the soft assignment is nearly even at small ``alpha``.

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            ``(d2 - d1) / d2`` with the distances on the unit sphere to the nearest and second nearest centre, from 0
            (between two) to 1 (at a centre): shape (num_nodes,). 1 if there is one cluster, 0 where ``d2`` is 0.
        """
        cosines = self._cosines(z)
        if self.n_clusters == 1:
            return cosines.new_ones(len(cosines))
        nearest, second = (2 - 2 * cosines.topk(2, dim=-1).values).clamp(min=0).sqrt().unbind(dim=-1)
        return torch.where(second > 0, (second - nearest) / second, 0.0)

    def _cosines(self, z: Tensor) -> Tensor:
        """Cosines of the angles between nodes and centres: (num_nodes, n_clusters)."""
        dtype = torch.promote_types(z.dtype, self.cluster_centers.dtype)
        with torch.autocast(device_type=z.device.type, enabled=False):
            return F.normalize(z.to(dtype), dim=-1) @ F.normalize(self.cluster_centers.to(dtype), dim=-1).t()
