"""Parts as a stranger would write them; the two heads are those of the project's seed tutorial."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from eco_core import BaseClusterHead, LossOutput


class SimpleClusterHead(BaseClusterHead):
    """Mean distance to the nearest centre."""

    def __init__(self, n_clusters, n_features):
        super().__init__()
        self.n_clusters = n_clusters
        self.n_features = n_features
        self.cluster_centers = nn.Parameter(torch.empty(n_clusters, n_features))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.xavier_uniform_(self.cluster_centers)

    def forward(self, z):
        dist = torch.cdist(z, self.cluster_centers, p=2)
        assignments = dist.argmin(dim=-1)
        return dist[torch.arange(len(z)), assignments].mean()

    @torch.no_grad()
    def cluster(self, z, soft=False):
        dist = torch.cdist(z, self.cluster_centers, p=2)
        return torch.softmax(-dist, dim=-1) if soft else dist.argmin(dim=-1)


class GraphAwareClusterHead(BaseClusterHead):
    """Distance to the assigned centre, and agreement along edges."""

    def __init__(self, n_clusters, n_features, alpha=1.0):
        super().__init__()
        self.n_clusters = n_clusters
        self.alpha = alpha
        self.cluster_centers = nn.Parameter(torch.empty(n_clusters, n_features))
        nn.init.xavier_uniform_(self.cluster_centers)

    def forward(self, z, edge_index):
        assignment = torch.softmax(torch.matmul(z, self.cluster_centers.t()), dim=-1)
        dist = torch.cdist(z, self.cluster_centers, p=2)
        embed_loss = dist[torch.arange(z.size(0)), assignment.argmax(dim=-1)].mean()
        source, target = edge_index
        structure_loss = -torch.sum(assignment[source] * assignment[target]) / edge_index.size(1)
        return embed_loss + self.alpha * structure_loss

    @torch.no_grad()
    def cluster(self, z, soft=False):
        similarity = torch.matmul(z, self.cluster_centers.t())
        return torch.softmax(similarity, dim=-1) if soft else similarity.argmax(dim=-1)


class SmallEncoder(nn.Module):
    """One graph convolution."""

    learns = True

    def __init__(self, in_channels: int, width: int = 6) -> None:
        super().__init__()
        self.conv = GCNConv(in_channels, width)

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        return self.conv(x, edge_index, edge_weight)


class Smoothness(nn.Module):
    """An objective: neighbours are alike, embeddings keep their spread."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, encode, graph, edge_index):
        z = encode(graph)
        source, target = edge_index
        return LossOutput.weighted(
            smooth=(1.0, (z[source] - z[target]).pow(2).mean()), spread=(self.weight, (z.std(dim=0) - 1).pow(2).mean())
        )
