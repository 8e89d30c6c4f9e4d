"""The reconstruction of edges by inner products, which all graph auto-encoders share."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from eco_core.errors import DataError, Problem
from eco_core.ops.pairs import pair_products, sample_non_edges

NegativeRatio = Annotated[float, Field(gt=0)]
"""How many pairs that are not linked are sampled for each edge."""


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
    return sample_non_edges(edge_index, num_nodes, max(1, round(neg_ratio * edge_index.size(1))))


def reconstruction_terms(
    z: Tensor, positives: Tensor, negatives: Tensor | None, neg_ratio: float
) -> tuple[Tensor, Tensor]:
    r"""Returns the cross entropy of the edges and that of the pairs that are not linked, two scalars.

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

    Raises:
        DataError: ECO303, if there is no edge to reconstruct.
    """
    if positives.size(1) == 0:
        raise DataError(
            Problem(
                "ECO303",
                f"The graph auto-encoder reconstructs edges, but there is no edge among these {z.size(0)} nodes.",
                "Give a graph with edges (for a mini-batch: a larger batch), or use an objective that does not "
                "reconstruct edges.",
            )
        )
    if negatives is None:
        negatives = sample_negatives(positives, z.size(0), neg_ratio)
    # softplus(-s) is -log sigmoid(s), and softplus(s) is -log(1 - sigmoid(s)), without overflow.
    positive = F.softplus(-decode(z, positives, sigmoid=False)).mean()
    # A complete graph has no negatives: their mean is 0 then, not NaN.
    negative = F.softplus(decode(z, negatives, sigmoid=False)).sum() / max(1, negatives.size(1))
    return positive, negative
