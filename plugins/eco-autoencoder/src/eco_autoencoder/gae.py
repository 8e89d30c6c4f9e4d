"""The graph auto-encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from eco_autoencoder.reconstruction import (
    Edges,
    NegativeRatio,
    decode,
    prepared_edges,
    reconstruction_terms,
    sample_negatives,
)
from eco_core import LossOutput
from eco_core.ops.sample import is_mini_batch
from eco_core.parts import checked


@checked
class GAE(nn.Module):
    r"""Graph auto-encoder (Kipf & Welling, 2016, arXiv 1611.07308).

    The decoder predicts an edge between the nodes i and j with probability :math:`\sigma(z_i^T z_j)`. The loss is its
    cross entropy over the edges E and over sampled pairs N that are not linked:

    .. math::
        L = - \frac{1}{|E|} \sum_{(i,j) \in E} \log \sigma(z_i^T z_j)
            - \frac{1}{|N|} \sum_{(i,j) \in N} \log (1 - \sigma(z_i^T z_j))

    Edge weights are not used. Negatives are sampled anew in every step, from torch's generator.

    Args:
        neg_ratio: Number of unlinked pairs sampled for each edge.
    """

    supports_sparse_x = True
    prepared_for_batches = False

    def __init__(self, neg_ratio: NegativeRatio = 1.0) -> None:
        super().__init__()
        self.neg_ratio = neg_ratio

    def prepare(self, graph: Any, edge_index: Tensor) -> dict[str, Edges]:
        """Sorts the edges once for each graph: the value of ``edges`` in `forward`."""
        return prepared_edges(graph, edge_index)

    def forward(
        self, encode: Callable[[Any], Tensor], graph: Any, edge_index: Tensor, edges: Edges | None = None
    ) -> LossOutput:
        """Returns the loss of a graph.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, width).
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges).
            edges: From `prepare`.

        Returns:
            The loss, with its parts ``positive`` (of the edges) and ``negative`` (of the sampled pairs).

        Raises:
            DataError: ECO303, if a whole graph has no edge to reconstruct; a mini-batch without one has the loss 0.
        """
        positive, negative = reconstruction_terms(
            encode(graph), edge_index, None, self.neg_ratio, edges, is_batch=is_mini_batch(graph)
        )
        return LossOutput(total=positive + negative, positive=positive, negative=negative)

    def decode(self, z: Tensor, edge_index: Tensor, sigmoid: bool = True) -> Tensor:
        """Scores pairs of nodes: see `eco_autoencoder.reconstruction.decode`."""
        return decode(z, edge_index, sigmoid)

    def recon_loss(self, z: Tensor, pos_edge_index: Tensor, neg_edge_index: Tensor | None = None) -> Tensor:
        """Returns the reconstruction loss of embeddings, a scalar.

        Args:
            z: Embeddings of shape (num_nodes, width).
            pos_edge_index: Edges of shape (2, num_edges).
            neg_edge_index: Pairs that are not linked, of shape (2, num_pairs); None: they are sampled.

        Raises:
            DataError: ECO303, if there is no edge to reconstruct.
        """
        positive, negative = reconstruction_terms(z, pos_edge_index, neg_edge_index, self.neg_ratio)
        return positive + negative

    def sample_negatives(self, edge_index: Tensor, num_nodes: int) -> Tensor:
        """Samples pairs that are not linked, of shape (2, about ``neg_ratio * num_edges``).

        See `eco_autoencoder.reconstruction.sample_negatives`.
        """
        return sample_negatives(edge_index, num_nodes, self.neg_ratio)
