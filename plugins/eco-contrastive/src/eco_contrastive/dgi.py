"""Deep graph infomax: a summary of the graph distinguishes its nodes from the nodes of a corrupted copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eco_core import LossOutput
from eco_core.transforms import GSSLTransform, View


class DGI(nn.Module):
    r"""Deep graph infomax (Velickovic et al., ICLR 2019, arXiv 1809.10341).

    A corrupted copy of the graph is encoded, too. With the summary of the graph, :math:`s = \sigma(\frac{1}{N} \sum_i
    z_i)`, a bilinear discriminator :math:`D(z, s) = \sigma(z^T W s)` learns to distinguish the N nodes of the graph
    from the N nodes of its copy, and the encoder learns embeddings that make this possible:

    .. math::
        L = \frac{1}{2N} \sum_{i=1}^{N} \left( - \log D(z_i, s) - \log (1 - D(\tilde z_i, s)) \right)

    The corruption is drawn anew in every step, from torch's generator. In a mini-batch, the summary is the mean over
    its seed nodes, and features are exchanged within the mini-batch.

    Args:
        n_features: Width of the embeddings.
        corruption: How the copy is made: the parameters of a `GSSLTransform`, or in Python any transform of graphs. By
            default nodes only exchange their features.

    Attributes:
        weight: The matrix W of the discriminator, a parameter of shape (n_features, n_features).
    """

    needs_views = True
    supports_sparse_x = True

    def __init__(
        self,
        n_features: int,
        corruption: View = GSSLTransform(p_feat_mask=0.0, p_edge_drop=0.0, shuffle_features=True),
    ) -> None:
        super().__init__()
        self.n_features = n_features
        self.corruption = corruption
        self.weight = nn.Parameter(torch.empty(n_features, n_features))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the discriminator's weights anew."""
        bound = self.n_features**-0.5
        self.weight.uniform_(-bound, bound)

    def forward(self, encode: Callable[[Any], Tensor], graph: Any) -> LossOutput:
        """Returns the loss of a graph, without changing the graph.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, n_features).
            graph: The graph, or a mini-batch of it, with ``x`` (dense or sparse COO) and ``edge_index``.

        Returns:
            The loss, with its parts ``original`` (of the graph's nodes) and ``corrupted`` (of the copy's nodes).
        """
        z, fake = encode(graph), encode(self.corruption(graph))
        with torch.autocast(device_type=z.device.type, enabled=False):
            summary = self.summarize(z)
            # softplus(-g) is -log sigmoid(g), and softplus(g) is -log(1 - sigmoid(g)), without overflow.
            original = F.softplus(-self.discriminate(z, summary)).mean()
            corrupted = F.softplus(self.discriminate(fake, summary)).mean()
            return LossOutput(total=(original + corrupted) / 2, original=original, corrupted=corrupted)

    def summarize(self, z: Tensor) -> Tensor:
        """Returns the summary of a graph. Override it for another readout.

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            Vector of shape (n_features,), in single precision at least.
        """
        return z.to(torch.promote_types(z.dtype, torch.float32)).mean(dim=0).sigmoid()

    def discriminate(self, z: Tensor, summary: Tensor) -> Tensor:
        """Scores nodes against a summary.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            summary: The summary of a graph, of shape (n_features,).

        Returns:
            Logits of shape (num_nodes,): positive for nodes of that graph, negative for nodes of a corrupted copy.
        """
        dtype = torch.promote_types(torch.promote_types(z.dtype, summary.dtype), self.weight.dtype)
        return z.to(dtype) @ (self.weight.to(dtype) @ summary.to(dtype))
