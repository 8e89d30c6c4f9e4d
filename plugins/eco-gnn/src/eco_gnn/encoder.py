"""What all encoders of this package have in common."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_gnn.prepared import Prepared
from eco_gnn.sparse import edge_weights


class GraphEncoder(nn.Module):
    """A module that learns, reads sparse features, and knows how wide its embeddings are.

    What its layers read of a graph is made once for each graph, where the composition calls `prepare`: sparse features,
    and the adjacency of those that define `make_adjacency`.

    Args:
        out_channels: Width of the embeddings.
    """

    learns = True
    supports_sparse_x = True
    prepared_for_batches = False
    directed = True

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self._out_channels = out_channels

    @property
    def out_channels(self) -> int:
        """The width of the embeddings."""
        return self._out_channels

    def reset_parameters(self) -> None:
        """Draws all parameters anew and forgets running statistics."""
        for child in self.children():
            reset(child)

    def prepare(
        self, graph: Any, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> dict[str, Prepared]:
        """Makes once what every step reads of a graph: the value of ``prepared`` in `forward`."""
        return {"prepared": Prepared(x, edge_index, edge_weight, self._adjacency)}

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Any:
        """Makes what layers read of the edges: mostly a matrix, targets by sources. None: the edges as they are.

        Args:
            edge_index: Edges of shape (2, num_edges), dtype int64.
            weight: Weights of shape (num_edges,), with the dtype of the parameters.
            num_nodes: Number of nodes.
            sampled: What the edges of a batch stand for.
        """
        return None

    def read_features(self, x: Tensor, prepared: Prepared | None) -> Tensor | SparseFactor:
        """Returns dense features as they are, and sparse ones as a factor, prepared where they can be."""
        if not x.is_sparse:
            return x
        features = None if prepared is None else prepared.features_of(x)
        return SparseFactor.of(x) if features is None else features

    def read_adjacency(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None,
        prepared: Prepared | None,
        sampled: SampledEdges | None = None,
    ) -> Any:
        """Returns what `make_adjacency` makes of a graph, or has made of it."""
        adjacency = None if prepared is None else prepared.adjacency_of(edge_index, edge_weight)
        return self._adjacency(edge_index, edge_weight, x.size(0), sampled) if adjacency is None else adjacency

    def _adjacency(
        self, edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Any:
        weight = edge_weights(edge_index, edge_weight, next(self.parameters()).dtype)
        return self.make_adjacency(edge_index, weight, num_nodes, sampled)
