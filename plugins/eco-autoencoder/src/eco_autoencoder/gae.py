"""The graph auto-encoder's reconstruction of the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch_geometric.utils import negative_sampling, to_undirected

from eco_core import LossOutput
from eco_core.errors import DataError, Problem


class GAE(nn.Module):
    r"""Graph auto-encoder (Kipf & Welling, 2016, arXiv 1611.07308).

    The decoder says that nodes i and j are linked with probability :math:`\sigma(z_i^T z_j)`; the loss is the cross
    entropy of that, over the edges E and as many sampled pairs N that are not linked:

    .. math::
        L = - \frac{1}{|E|} \sum_{(i,j) \in E} \log \sigma(z_i^T z_j)
            - \frac{1}{|N|} \sum_{(i,j) \in N} \log (1 - \sigma(z_i^T z_j))

    Edge weights are not used. Negatives are sampled by PyG anew in every step, from Python's random generator.

    Args:
        neg_ratio: How many pairs that are not linked are sampled for each edge.
    """

    def __init__(self, neg_ratio: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        self.neg_ratio = neg_ratio

    def forward(self, encode: Callable[[Any], Tensor], graph: Any, edge_index: Tensor) -> LossOutput:
        """Returns the loss of a graph.

        Args:
            encode: From a graph to its embeddings, of shape (num_nodes, width).
            graph: The graph, or a sampled batch of one.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges).

        Returns:
            The loss, with its parts ``positive`` (of the edges) and ``negative`` (of the sampled pairs).

        Raises:
            DataError: ECO303, if there is no edge to reconstruct.
        """
        positive, negative = self._terms(encode(graph), edge_index, None)
        return LossOutput(total=positive + negative, positive=positive, negative=negative)

    def decode(self, z: Tensor, edge_index: Tensor, sigmoid: bool = True) -> Tensor:
        """Scores pairs of nodes.

        Args:
            z: Embeddings of shape (num_nodes, width).
            edge_index: Pairs of shape (2, num_pairs).
            sigmoid: Whether to return probabilities instead of logits.

        Returns:
            Scores of shape (num_pairs,).
        """
        # The backward of index_select is faster than that of z[...].
        logits = (z.index_select(0, edge_index[0]) * z.index_select(0, edge_index[1])).sum(dim=-1)
        return logits.sigmoid() if sigmoid else logits

    def recon_loss(self, z: Tensor, pos_edge_index: Tensor, neg_edge_index: Tensor | None = None) -> Tensor:
        """Returns the reconstruction loss of embeddings, a scalar.

        Args:
            z: Embeddings of shape (num_nodes, width).
            pos_edge_index: Edges of shape (2, num_edges).
            neg_edge_index: Pairs that are not linked, of shape (2, num_pairs); None: they are sampled.

        Raises:
            DataError: ECO303, if there is no edge to reconstruct.
        """
        positive, negative = self._terms(z, pos_edge_index, neg_edge_index)
        return positive + negative

    def sample_negatives(self, edge_index: Tensor, num_nodes: int) -> Tensor:
        """Samples pairs that are not linked in either direction; never a node with itself.

        Args:
            edge_index: Edges of shape (2, num_edges).
            num_nodes: Number of nodes.

        Returns:
            Distinct pairs of shape (2, about ``neg_ratio * num_edges``); fewer, or none, where the graph is so dense
            that there are no more.
        """
        wanted = max(1, round(self.neg_ratio * edge_index.size(1)))
        # The decoder is symmetric, so the reverse of a directed edge must not become a negative; and PyG counts
        # parallel edges as distinct ones when it judges how dense the graph is.
        linked = to_undirected(edge_index, num_nodes=num_nodes)
        return negative_sampling(linked, num_nodes, wanted)

    def _terms(self, z: Tensor, positives: Tensor, negatives: Tensor | None) -> tuple[Tensor, Tensor]:
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
            negatives = self.sample_negatives(positives, z.size(0))
        # softplus(-s) is -log sigmoid(s), and softplus(s) is -log(1 - sigmoid(s)), without overflow.
        positive = F.softplus(-self.decode(z, positives, sigmoid=False)).mean()
        # A complete graph has no negatives: their mean is 0 then, not NaN.
        negative = F.softplus(self.decode(z, negatives, sigmoid=False)).sum() / max(1, negatives.size(1))
        return positive, negative
