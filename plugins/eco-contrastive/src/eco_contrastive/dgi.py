"""Deep graph infomax: nodes are told from those of a corrupted copy by a summary of the graph."""

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
    z_i)`, a bilinear discriminator :math:`D(z, s) = \sigma(z^T W s)` learns to tell the N nodes of the graph from the
    N of its copy, and the encoder learns what tells them apart:

    .. math::
        L = \frac{1}{2N} \sum_{i=1}^{N} \left( - \log D(z_i, s) - \log (1 - D(\tilde z_i, s)) \right)

    The corruption is drawn anew in every step, from torch's generator. In a sampled batch the summary is that of its
    seed nodes, and features are exchanged within the batch.

    Args:
        n_features: Width of the embeddings.
        corruption: What the copy differs in: the parameters of a `GSSLTransform`, or in Python any transform of graphs.
            By default nodes exchange their features, and nothing else.

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
        """Returns the loss of a graph, which is left as it is.

        Args:
            encode: From a graph to its embeddings, of shape (num_nodes, n_features).
            graph: The graph, or a sampled batch of one, with ``x`` (dense or sparse COO) and ``edge_index``.

        Returns:
            The loss, with its parts ``original`` (of the graph's nodes) and ``corrupted`` (of the copy's).
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
            Logits of shape (num_nodes,): positive for nodes of that graph, negative for those of a corrupted copy.
        """
        dtype = torch.promote_types(torch.promote_types(z.dtype, summary.dtype), self.weight.dtype)
        return z.to(dtype) @ (self.weight.to(dtype) @ summary.to(dtype))
