"""MAGI: pairs of nodes with a positive modularity, against all other pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from eco_contrastive.modularity_pairs import PositivePairs, WalkPairs
from eco_core.ops.all_pairs import draw_anchors, log_sum_exp_of_others, pair_sum
from eco_core.ops.normalize_rows import normalize_rows
from eco_core.ops.random_walks import neighbors_of
from eco_core.ops.sample import is_mini_batch
from eco_core.parts import checked


@checked
class MAGI(nn.Module):
    r"""Modularity-guided contrast (Liu et al., KDD 2024, arXiv 2406.14288).

    Random walks bring some pairs of nodes together more often than chance: the pairs with a positive modularity,
    :math:`P = \{(v, u) : B_{vu} > 0\}` (see `eco_contrastive.modularity_pairs`). The loss is InfoNCE: it compares each
    such pair with the pairs of its first node and every other node:

    .. math::
        L = - \frac{1}{|P|} \sum_{(v,u) \in P}
            \log \frac{\exp(z_v^T z_u / \tau)}{\sum_{w \ne v} \exp(z_v^T z_w / \tau)}

    The embeddings have unit length; with ``scale_embeddings`` each is first shifted and scaled to entries from 0 to 1.
    Heads get the same embeddings. The walks are sampled once for each graph, from the seed; they follow the direction
    of the edges, in proportion to their weights where there are any. The denominators are computed in blocks of rows:
    time O(N^2 d), memory O(N d + |P|) plus one block.

    In a mini-batch, P holds the pairs among its seed nodes. If there is no pair, the loss is 0.

    Args:
        tau: Temperature.
        scale_embeddings: Whether the entries of each embedding are scaled to the range from 0 to 1.
        num_walks: Walks from each node.
        walk_length: Steps of a walk.
        seed: Seed of the walks.
        num_anchors: Number of nodes, drawn anew in each step, whose denominators are computed: an unbiased estimate of
            the loss in time O(num_anchors N d), for graphs with too many pairs. None: all nodes.
    """

    supports_sparse_x = True
    directed = True

    def __init__(
        self,
        tau: Annotated[float, Field(gt=0)] = 0.5,
        scale_embeddings: bool = True,
        num_walks: Annotated[int, Field(ge=1)] = 100,
        walk_length: Annotated[int, Field(ge=1)] = 2,
        seed: int = 0,
        num_anchors: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        super().__init__()
        self.tau = tau
        self.scale_embeddings = scale_embeddings
        self.num_walks = num_walks
        self.walk_length = walk_length
        self.seed = seed
        self.num_anchors = num_anchors

    def prepare(self, graph: Any, edge_index: Tensor, edge_weight: Tensor | None = None) -> dict[str, WalkPairs]:
        """Prepares the walks, once for each graph: the value of ``positives`` in `forward`."""
        return {"positives": self.walk_pairs(edge_index, graph.num_nodes, edge_weight)}

    def walk_pairs(self, edge_index: Tensor, num_nodes: int, edge_weight: Tensor | None = None) -> WalkPairs:
        """Returns the positive pairs of a graph, which are sampled on first use.

        Args:
            edge_index: Edges of shape (2, num_edges), dtype int64.
            num_nodes: Number of nodes.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
        """
        return WalkPairs(neighbors_of(edge_index, num_nodes, edge_weight), self.num_walks, self.walk_length, self.seed)

    def forward(
        self,
        encode: Callable[[Any], Tensor],
        graph: Any,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        n_id: Tensor | None = None,
        positives: PositivePairs | WalkPairs | None = None,
    ) -> Tensor:
        """Returns the loss of a graph, a scalar.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, width).
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges), dtype int64.
            edge_weight: Their weights, of shape (num_edges,); None: all 1.
            n_id: Which node of the whole graph each row is; None: the rows are all nodes, in order.
            positives: From `prepare` of the whole graph, or pairs of rows; None: they are sampled anew.
        """
        z = self.embed(encode, graph)
        if positives is None:
            positives = self.walk_pairs(edge_index, z.size(0), edge_weight).of_all(z.device)
        elif isinstance(positives, WalkPairs):
            if n_id is None or not is_mini_batch(graph):
                positives = positives.of_all(z.device)
            else:
                positives = positives.among(n_id)
        if positives.pairs.size(1) == 0:
            return z.sum() * 0.0
        share, anchors = positives.share, draw_anchors(z, self.num_anchors)
        if anchors is not None:
            share = share.index_select(0, anchors) * (z.size(0) / anchors.numel())
        denominators = log_sum_exp_of_others(z, self.tau, bound=1.0, anchors=anchors)
        return (share * denominators).sum() - pair_sum(z, z, positives.matrix) / self.tau

    def embed(self, encode: Callable[[Any], Tensor], graph: Any) -> Tensor:
        """Returns the embeddings of a graph's nodes, of unit length, of shape (num_nodes, width).

        At least in single precision.

        Args:
            encode: Maps a graph to its embeddings.
            graph: The graph, or a mini-batch of it.
        """
        z = encode(graph)
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        if self.scale_embeddings:
            low, high = z.amin(dim=-1, keepdim=True), z.amax(dim=-1, keepdim=True)
            z = (z - low) / (high - low).clamp(min=torch.finfo(z.dtype).tiny)
        return normalize_rows(z)
