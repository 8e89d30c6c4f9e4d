"""CCA-SSG: two views of a graph agree, and the columns of each are uncorrelated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from eco_contrastive.correlation import gram, standardize
from eco_contrastive.views import two_views
from eco_core import LossOutput
from eco_core.parts import checked
from eco_core.transforms import GSSLTransform, View


@checked
class CCASSG(nn.Module):
    r"""Canonical correlation analysis as self-supervision (Zhang et al., NeurIPS 2021, arXiv 2106.12484).

    Two random views of the graph are encoded. With the columns of both embeddings centred and at unit length
    (:math:`\tilde Z_A`, :math:`\tilde Z_B`), the loss makes the views agree and the columns of each uncorrelated:

    .. math::
        L = \lVert \tilde Z_A - \tilde Z_B \rVert_F^2
            + \lambda \left( \lVert \tilde Z_A^T \tilde Z_A - I \rVert_F^2
            + \lVert \tilde Z_B^T \tilde Z_B - I \rVert_F^2 \right)

    There are no negative pairs: a step takes time in N d^2 and memory in N d + d^2, for N nodes and embeddings of width
    d. A column that is constant over the nodes of a view becomes zeros, and gets no gradient.

    The authors' program has :math:`- \mathrm{tr}(\tilde Z_A^T \tilde Z_B)` in place of the first term. This is half of
    the first term minus a constant, so their :math:`\lambda` is half of the :math:`\lambda` here.

    Args:
        transform1: The first view: the parameters of a `GSSLTransform`, or in Python any transform of graphs.
        transform2: The second view.
        lam: Weight :math:`\lambda` of the decorrelation.
    """

    needs_views = True
    supports_sparse_x = True

    def __init__(
        self,
        transform1: View = GSSLTransform(),
        transform2: View = GSSLTransform(),
        lam: Annotated[float, Field(ge=0)] = 1e-3,
    ) -> None:
        super().__init__()
        self.transform1 = transform1
        self.transform2 = transform2
        self.lam = lam

    def forward(self, encode: Callable[[Any], Tensor], graph: Any) -> LossOutput:
        """Returns the loss of a graph, without changing the graph.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, width).
            graph: The graph, or a mini-batch of it, with ``x`` (dense or sparse COO) and ``edge_index``.

        Returns:
            The loss, with its parts ``invariance`` and ``decorrelation`` (before it is weighted).
        """
        z1, z2 = two_views(encode, graph, self.transform1, self.transform2)
        with torch.autocast(device_type=z1.device.type, enabled=False):
            z1, z2 = standardize(z1), standardize(z2)
            identity = torch.eye(z1.size(1), dtype=z1.dtype, device=z1.device)
            invariance = F.mse_loss(z1, z2, reduction="sum")
            decorrelation = torch.stack([(gram(z) - identity).square().sum() for z in (z1, z2)]).sum()
            return LossOutput.weighted(invariance=(1.0, invariance), decorrelation=(self.lam, decorrelation))
