"""Graph Barlow Twins: column by column two views of a graph correlate, and different columns do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from eco_contrastive.correlation import off_diagonal, standardize
from eco_contrastive.views import two_views
from eco_core import LossOutput
from eco_core.parts import checked
from eco_core.transforms import GSSLTransform, View


@checked
class GBT(nn.Module):
    r"""Graph Barlow Twins (Bielak et al., Knowledge-Based Systems 2022, arXiv 2106.02466).

    Two random views of the graph are encoded. With the columns of both embeddings centred and at unit length
    (:math:`\tilde Z_A`, :math:`\tilde Z_B`), their cross-correlation :math:`C = \tilde Z_A^T \tilde Z_B` is brought
    towards the identity:

    .. math::
        L = \sum_i (1 - C_{ii})^2 + \lambda \sum_i \sum_{j \ne i} C_{ij}^2

    There are no negative pairs: a step takes time in N d^2 and memory in N d + d^2, for N nodes and embeddings of width
    d. A column that is constant over the nodes of a view correlates with nothing and gets no gradient.

    Args:
        transform1: The first view: the parameters of a `GSSLTransform`, or in Python any transform of graphs.
        transform2: The second view.
        lam: Weight :math:`\lambda` of the redundancy reduction. None: the paper's, 1 / d.
    """

    needs_views = True
    supports_sparse_x = True

    def __init__(
        self,
        transform1: View = GSSLTransform(),
        transform2: View = GSSLTransform(),
        lam: Annotated[float, Field(ge=0)] | None = 5e-3,
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
            The loss, with its parts ``invariance`` and ``redundancy`` (before it is weighted).
        """
        z1, z2 = two_views(encode, graph, self.transform1, self.transform2)
        with torch.autocast(device_type=z1.device.type, enabled=False):
            correlation = standardize(z1).t() @ standardize(z2)
            invariance = (1 - correlation.diagonal()).square().sum()
            redundancy = off_diagonal(correlation).square().sum()
            lam = 1 / correlation.size(0) if self.lam is None else self.lam
            return LossOutput.weighted(invariance=(1.0, invariance), redundancy=(lam, redundancy))
