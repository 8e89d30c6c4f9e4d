"""The variational graph auto-encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from eco_autoencoder.latent import LatentObjective
from eco_autoencoder.reconstruction import Edges, NegativeRatio
from eco_core import LossOutput
from eco_core.ops.sample import is_mini_batch
from eco_core.parts import checked


@checked
class VGAE(LatentObjective):
    r"""Variational graph auto-encoder (Kipf & Welling, 2016, arXiv 1611.07308).

    The encoder is the trunk. Two graph convolutions on top of it, which are part of this objective, return mean and
    standard deviation of every node's embedding. The loss reconstructs the edges (see `eco_autoencoder.GAE`) from a
    draw :math:`z_i \sim N(\mu_i, \sigma_i^2)` and keeps the distributions near the prior:

    .. math::
        L = L_{rec}(z) + \frac{w}{N} \cdot \frac{1}{N} \sum_i
            \mathrm{KL}\big(N(\mu_i, \sigma_i^2) \,\Vert\, N(0, I)\big)

    Both terms are thus a mean over the :math:`N^2` pairs of nodes, as in the evidence lower bound. The embedding is
    the mean.

    Args:
        n_features: Width of the encoder's output.
        latent_channels: Width of the embedding.
        neg_ratio: Number of unlinked pairs sampled for each edge.
        kl_weight: The weight w of the divergence; 0 leaves it out.
    """

    def __init__(
        self,
        n_features: int,
        latent_channels: Annotated[int, Field(ge=1)] = 16,
        neg_ratio: NegativeRatio = 1.0,
        kl_weight: Annotated[float, Field(ge=0)] = 1.0,
    ) -> None:
        super().__init__(n_features, latent_channels, neg_ratio, kl_weight)

    def forward(
        self,
        encode: Callable[[Any], Tensor],
        graph: Any,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        edges: Edges | None = None,
    ) -> LossOutput:
        """Returns the loss of a graph; it is random, also in evaluation mode.

        Args:
            encode: Maps a graph to the trunk's output, of shape (num_nodes, n_features).
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of that output, of shape (2, num_edges).
            edge_weight: Weights of shape (num_edges,) for the convolutions; the reconstruction ignores them.
            edges: From `prepare`.

        Returns:
            The loss, with its parts ``positive`` and ``negative`` (of the reconstruction) and ``kl`` (the mean over the
            nodes, before the other division by N and the weight).

        Raises:
            DataError: ECO303, if a whole graph has no edge to reconstruct; a mini-batch without one has the loss 0.
        """
        _, terms = self.terms(encode(graph), edge_index, edge_weight, edges, is_batch=is_mini_batch(graph))
        return LossOutput.weighted(**terms)
