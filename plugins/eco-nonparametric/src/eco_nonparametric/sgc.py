"""Simple graph convolution: features smoothed over the graph."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from eco_core import BaseModel
from eco_core.ops.propagation import normalized_adjacency, propagate
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
            edge_index, edge_weight, num_nodes=x.size(0), add_self_loops=self.add_self_loops, dtype=x.dtype
        )
        return propagate(adjacency, x, self.K)

    def extra_repr(self) -> str:
        """The parameters, for ``repr``."""
        return f"K={self.K}, add_self_loops={self.add_self_loops}"
