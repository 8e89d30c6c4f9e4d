"""The reconstruction of edges by inner products, which all graph auto-encoders share."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from eco_core.errors import DataError, Problem
from eco_core.ops.origin import Origin
from eco_core.ops.pairs import NonEdges, SortedPairs, pair_products

NegativeRatio = Annotated[float, Field(gt=0)]
"""Number of unlinked pairs sampled for each edge."""


def decode(z: Tensor, edge_index: Tensor, sigmoid: bool = True) -> Tensor:
    r"""Scores pairs of nodes by the probability :math:`\sigma(z_i^T z_j)` that they are linked.

    Args:
        z: Embeddings of shape (num_nodes, width).
        edge_index: Pairs of shape (2, num_pairs).
        sigmoid: Whether to return probabilities instead of logits.

    Returns:
        Scores of shape (num_pairs,).
    """
    logits = pair_products(z, edge_index)
    return logits.sigmoid() if sigmoid else logits


def sample_negatives(edge_index: Tensor, num_nodes: int, neg_ratio: float) -> Tensor:
    """Samples pairs that are not linked in either direction; never a node with itself.

    Args:
        edge_index: Edges of shape (2, num_edges).
        num_nodes: Number of nodes.
        neg_ratio: How many pairs are wanted for each edge.

    Returns:
        Pairs of shape (2, ``neg_ratio * num_edges`` rounded, at least 1), drawn with replacement by torch's generator;
        none where all nodes are linked.
    """
    return NonEdges(edge_index, num_nodes).sample(number_of_negatives(edge_index.size(1), neg_ratio))


def number_of_negatives(num_edges: int, neg_ratio: float) -> int:
    """Returns how many pairs that are not linked are sampled: ``neg_ratio`` for each edge, rounded, at least 1."""
    return max(1, round(neg_ratio * num_edges))


class Edges:
    """The edges that are reconstructed, sorted once for each graph.

    An inner product does not depend on the direction of an edge: the product of each pair of linked nodes is computed
    once, and weighted by the number of edges between the two.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64.
        num_nodes: Number of nodes.

    Attributes:
        pairs: The pairs of linked nodes.
        counts: How many edges each pair has, in their order, of shape (num_pairs,).
        num_edges: Number of edges.
        non_edges: The pairs that are not linked.
    """

    def __init__(self, edge_index: Tensor, num_nodes: int) -> None:
        self._origin = Origin(edge_index)
        self.num_edges = edge_index.size(1)
        linked = torch.stack([edge_index.amax(dim=0), edge_index.amin(dim=0)])
        # `unique` sorts the pairs, so `SortedPairs` does not change their order and ``counts`` needs no sorting.
        linked, self.counts = linked.unique(dim=1, return_counts=True)
        self.pairs = SortedPairs(linked[0], linked[1], num_nodes)
        self.non_edges = NonEdges(edge_index, num_nodes)

    def are_of(self, edge_index: Tensor) -> bool:
        """Whether these edges were made of this very tensor, and it has not changed since."""
        return self._origin.is_of(edge_index)


def prepared_edges(graph: Any, edge_index: Tensor) -> dict[str, Edges]:
    """Sorts the edges of a graph; an auto-encoder's ``prepare`` returns the result: the value of ``edges``."""
    return {"edges": Edges(edge_index, graph.num_nodes)} if edge_index.size(1) else {}


def reconstruction_terms(
    z: Tensor,
    positives: Tensor,
    negatives: Tensor | None,
    neg_ratio: float,
    edges: Edges | None = None,
    *,
    is_batch: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""Returns two scalars: the cross entropy of the edges, and of the pairs that are not linked.

    .. math::
        - \frac{1}{|E|} \sum_{(i,j) \in E} \log \sigma(z_i^T z_j), \qquad
        - \frac{1}{|N|} \sum_{(i,j) \in N} \log (1 - \sigma(z_i^T z_j))

    Their sum is, but for sampling and a factor of 2, the weighted cross entropy over all pairs of nodes of Kipf and
    Welling (2016), in which the edges weigh as much as all other pairs.

    Args:
        z: Embeddings of shape (num_nodes, width).
        positives: Edges E of shape (2, num_edges).
        negatives: Pairs N that are not linked, of shape (2, num_pairs); None: they are sampled.
        neg_ratio: How many pairs are sampled for each edge.
        edges: The edges, sorted before; ignored if they were made of other edges than ``positives``.
        is_batch: Whether the nodes are a mini-batch. A few random nodes of a sparse graph may have no edge among
            themselves; both terms are 0 then.

    Raises:
        DataError: ECO303, if a whole graph has no edge to reconstruct.
    """
    if positives.size(1) == 0:
        if is_batch:
            nothing = z.sum() * 0  # With a gradient, of zeros: the step is made like any other.
            return nothing, nothing
        raise DataError(
            Problem(
                "ECO303",
                f"The graph auto-encoder reconstructs edges, but there is no edge among these {z.size(0)} nodes.",
                "Give a graph with edges, or use an objective that does not reconstruct edges.",
            )
        )
    if edges is None or not edges.are_of(positives):
        edges = Edges(positives, z.size(0))
    if negatives is None:
        negatives = edges.non_edges.sample(number_of_negatives(edges.num_edges, neg_ratio))
    # softplus(-s) is -log sigmoid(s), and softplus(s) is -log(1 - sigmoid(s)), without overflow.
    positive = (edges.counts * F.softplus(-pair_products(z, edges.pairs))).sum() / edges.num_edges
    # A complete graph has no negatives: the mean is 0 then, not NaN. Negatives are sorted by their larger node.
    logits = pair_products(z, SortedPairs(negatives[1], negatives[0], z.size(0)))
    return positive, F.softplus(logits).sum() / max(1, negatives.size(1))
