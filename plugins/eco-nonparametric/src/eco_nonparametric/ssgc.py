"""Simple spectral graph convolution: the mean of features smoothed over several distances."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from eco_core import BaseModel
from eco_core.ops.propagation import column_panels, normalized_adjacency
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked


@checked
class SSGC(BaseModel):
    r"""Simple spectral graph convolution (Zhu & Koniusz, ICLR 2021), without its classifier.

    :math:`Z = \frac{1}{K} \sum_{k=1}^{K} \left((1-\alpha) S^k X + \alpha X\right)` with
    :math:`S = \hat D^{-1/2} \hat A \hat D^{-1/2}`, :math:`\hat A = A + I` and :math:`\hat D` its degrees. It has no
    parameters to train, and keeps no cache: the result is a function of the graph that is given. A few columns of the
    features are smoothed at a time, so that little beside the result is stored.

    Args:
        alpha: Share of the features themselves, from 0 to 1.
        K: Number of hops.
        add_self_loops: Whether self-loops are added where there are none.
    """

    learns = False
    supports_sparse_x = True
    directed = True

    def __init__(
        self,
        alpha: Annotated[float, Field(ge=0, le=1)] = 0.05,
        K: Annotated[int, Field(ge=1)] = 1,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.K = K
        self.add_self_loops = add_self_loops

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """Smooths features.

        Args:
            x: Features of shape (num_nodes, in_channels), dense or sparse COO.
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.

        Returns:
            Embeddings of shape (num_nodes, in_channels), dense.
        """
        adjacency = normalized_adjacency(
            edge_index,
            edge_weight,
            num_nodes=x.size(0),
            add_self_loops=self.add_self_loops,
            dtype=torch.promote_types(x.dtype, torch.float32),
        )
        factor = SparseFactor.of(adjacency)
        z = torch.empty(x.shape, dtype=factor.values.dtype, device=x.device)
        for columns, panel in column_panels(x):
            total = self.alpha * panel
            for _ in range(self.K):
                panel = factor @ panel
                total = total.add(panel, alpha=(1 - self.alpha) / self.K)
            z[:, columns] = total
        return z

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return f"alpha={self.alpha}, K={self.K}, add_self_loops={self.add_self_loops}"
