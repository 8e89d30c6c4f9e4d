"""Simple graph convolution: features smoothed over the graph."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from eco_core import BaseModel
from eco_core.ops.propagation import column_panels, normalized_adjacency, propagate
from eco_core.ops.sparse_factor import SparseFactor
from eco_core.parts import checked


@checked
class SGC(BaseModel):
    r"""Simple graph convolution (Wu et al., ICML 2019, arXiv 1902.07153), without its classifier.

    :math:`Z = S^K X` with :math:`S = \hat D^{-1/2} \hat A \hat D^{-1/2}`, :math:`\hat A = A + I` and :math:`\hat D` its
    degrees. It has no parameters to train, and keeps no cache: the result is a function of the graph that is given.

    Args:
        K: Number of hops.
        add_self_loops: Whether self-loops are added where there are none.
    """

    learns = False
    supports_sparse_x = True
    directed = True

    def __init__(self, K: Annotated[int, Field(ge=0)] = 1, add_self_loops: bool = True) -> None:
        super().__init__()
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
        if x.layout is torch.strided:
            return propagate(adjacency, x, self.K)
        # A few columns at a time: sparse features are never dense as a whole beside the result.
        factor = SparseFactor.of(adjacency)
        z = torch.empty(x.shape, dtype=factor.values.dtype, device=x.device)
        for columns, panel in column_panels(x):
            for _ in range(self.K):
                panel = factor @ panel
            z[:, columns] = panel
        return z

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return f"K={self.K}, add_self_loops={self.add_self_loops}"
