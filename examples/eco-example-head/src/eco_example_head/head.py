"""A cluster head whose loss uses the edges."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from eco_core import BaseClusterHead, LossOutput


class GraphAwareClusterHead(BaseClusterHead):
    """Clusters that are compact in the embedding, and whose nodes are linked to each other.

    Nodes are assigned by a softmax over inner products with the centres, ``s_i = softmax(z_i C^T)``. The loss is the
    mean distance of a node to the centre of its cluster, minus ``alpha`` times the mean agreement ``s_i . s_j`` of the
    edges.

    Args:
        n_clusters: Number of clusters K; the core provides it.
        n_features: Width of the embeddings; the core provides it.
        alpha: Weight of the edges; ``--set head.alpha=2.0``.
    """

    def __init__(self, n_clusters: int, n_features: int, alpha: Annotated[float, Field(ge=0)] = 1.0) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.alpha = alpha
        self.cluster_centers = nn.Parameter(torch.empty(n_clusters, n_features))
        nn.init.xavier_uniform_(self.cluster_centers)

    def forward(self, z: Tensor, edge_index: Tensor) -> LossOutput:
        """Returns the loss; the core passes ``edge_index`` because it is a parameter's name.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            edge_index: Edges of shape (2, num_edges).
        """
        soft = self._assignment(z)
        own_center = self.cluster_centers[soft.argmax(dim=-1)]
        compactness = torch.linalg.vector_norm(z - own_center, dim=-1).mean()
        agreement = (soft[edge_index[0]] * soft[edge_index[1]]).sum() / max(1, edge_index.size(1))
        return LossOutput.weighted(compactness=(1.0, compactness), structure=(self.alpha, -agreement))

    @torch.no_grad()
    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Returns labels (num_nodes,), or with ``soft`` the assignment (num_nodes, n_clusters)."""
        assignment = self._assignment(z)
        return assignment if soft else assignment.argmax(dim=-1)

    def _assignment(self, z: Tensor) -> Tensor:
        return torch.softmax(z @ self.cluster_centers.t(), dim=-1)
