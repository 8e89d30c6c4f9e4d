"""The base of the variational objectives: a normal distribution for each node's embedding, and its loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import Linear

from eco_autoencoder.reconstruction import Edges, prepared_edges, reconstruction_terms
from eco_core.ops.propagation import normalized_adjacency, propagate

_LARGEST_LOG_STD = 10.0  # Its exponential is squared; without a bound one bad step overflows.


class GaussianLatent(nn.Module):
    r"""Two graph convolutions: mean and log standard deviation of each node's embedding (Kipf & Welling, 2016).

    .. math::
        \mu = \hat A H W_\mu + b_\mu, \qquad \log \sigma = \hat A H W_\sigma + b_\sigma, \qquad
        \hat A = D^{-1/2} (A + I) D^{-1/2}

    The product of the sparse :math:`\hat A` and H is computed once for both.

    Args:
        in_channels: Width of the encoder's output H.
        out_channels: Width of the embedding.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        options = {"weight_initializer": "glorot", "bias_initializer": "zeros"}
        self.mean = Linear(in_channels, out_channels, **options)
        self.log_std = Linear(in_channels, out_channels, **options)

    def forward(self, h: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns mean and log standard deviation, each of shape (num_nodes, out_channels).

        Args:
            h: Output of the encoder, of shape (num_nodes, in_channels).
            edge_index: Edges between its rows, of shape (2, num_edges).
            edge_weight: Weights of shape (num_edges,); None: all 1.
        """
        dtype = torch.promote_types(h.dtype, torch.float32)
        adjacency = normalized_adjacency(edge_index, edge_weight, num_nodes=h.size(0), dtype=dtype)
        propagated = propagate(adjacency, h).to(h.dtype)
        return self.mean(propagated), self.log_std(propagated).clamp(max=_LARGEST_LOG_STD)


class LatentObjective(nn.Module):
    """Base class of the variational objectives: the latent layer, its embedding, and the terms of the loss.

    Args:
        n_features: Width of the encoder's output.
        latent_channels: Width of the embedding.
        neg_ratio: Number of unlinked pairs sampled for each edge.
        kl_weight: The weight of the divergence.
    """

    supports_sparse_x = True
    directed = True
    prepared_for_batches = False

    def __init__(self, n_features: int, latent_channels: int, neg_ratio: float, kl_weight: float) -> None:
        super().__init__()
        self.neg_ratio = neg_ratio
        self.kl_weight = kl_weight
        self.latent = GaussianLatent(n_features, latent_channels)

    def prepare(self, graph: Any, edge_index: Tensor) -> dict[str, Edges]:
        """Sorts the edges once for each graph: the value of ``edges`` in `forward`."""
        return prepared_edges(graph, edge_index)

    def terms(
        self,
        h: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None,
        edges: Edges | None,
        *,
        is_batch: bool = False,
    ) -> tuple[Tensor, dict[str, tuple[float, Tensor]]]:
        """Draws embeddings and scores them.

        Args:
            h: Output of the encoder, of shape (num_nodes, n_features).
            edge_index: Edges between its rows, of shape (2, num_edges).
            edge_weight: Weights of shape (num_edges,) for the convolutions; None: all 1.
            edges: From `prepare`; None: the edges are sorted anew.
            is_batch: Whether the nodes are a mini-batch, which may have no edges.

        Returns:
            The draws, of shape (num_nodes, latent_channels); and the weights and values of ``positive``, ``negative``
            and ``kl``, for `LossOutput.weighted`.
        """
        mean, log_std = self.latent(h, edge_index, edge_weight)
        z = draw(mean, log_std)
        positive, negative = reconstruction_terms(z, edge_index, None, self.neg_ratio, edges, is_batch=is_batch)
        kl = self.kl_weight / mean.size(0), kl_from_standard_normal(mean, log_std)
        return z, {"positive": (1.0, positive), "negative": (1.0, negative), "kl": kl}

    def embed(
        self, encode: Callable[[Any], Tensor], graph: Any, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor:
        """Returns the means, of shape (num_nodes, latent_channels); arguments as in `forward`."""
        mean, _ = self.latent(encode(graph), edge_index, edge_weight)
        return mean


def draw(mean: Tensor, log_std: Tensor) -> Tensor:
    """Draws embeddings by the reparametrisation trick, so that gradients reach mean and standard deviation.

    Args:
        mean: Means of shape (num_nodes, width).
        log_std: Logarithms of the standard deviations, of the same shape.
    """
    return mean + torch.randn_like(log_std) * log_std.exp()


def kl_from_standard_normal(mean: Tensor, log_std: Tensor) -> Tensor:
    r"""Returns the Kullback-Leibler divergence of N(mean, std^2) from N(0, I), averaged over the nodes: a scalar.

    .. math:: \frac{1}{N} \sum_i \frac{1}{2} \sum_d (\mu_{id}^2 + \sigma_{id}^2 - 1 - 2 \log \sigma_{id})

    Args:
        mean: Means of shape (num_nodes, width).
        log_std: Logarithms of the standard deviations, of the same shape.
    """
    return 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(dim=-1).mean()
