"""The base class of all encoders of this package."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from eco_core.ops.sample import SampledEdges
from eco_core.ops.sparse_factor import SparseFactor
from eco_gnn.prepared import Prepared
from eco_gnn.sparse import edge_weights


class GraphEncoder(nn.Module):
    """Base class of an encoder that learns, reads sparse features and has the property ``out_channels``.

    `prepare` computes the inputs of the layers once for each graph: the sparse features, and the adjacency if the
    subclass defines `make_adjacency`.

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
        """Computes the inputs of the layers, once for each graph: the value of ``prepared`` in `forward`."""
        return {"prepared": Prepared(x, edge_index, edge_weight, self._adjacency)}

    def make_adjacency(
        self, edge_index: Tensor, weight: Tensor, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Any:
        """Makes the adjacency that the layers read: mostly a matrix, targets by sources. None: they read the edges.

        Args:
            edge_index: Edges of shape (2, num_edges), dtype int64.
            weight: Weights of shape (num_edges,), with the dtype of the parameters.
            num_nodes: Number of nodes.
            sampled: The scales of the sampled edges of a mini-batch; None: no edge was left out.
        """
        return None

    def read_features(self, x: Tensor, prepared: Prepared | None) -> Tensor | SparseFactor:
        """Returns dense features unchanged, and sparse features as a `SparseFactor`: the prepared one where it fits."""
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
        """Returns the prepared adjacency if it was made of these edges; otherwise calls `make_adjacency`."""
        adjacency = None if prepared is None else prepared.adjacency_of(edge_index, edge_weight)
        return self._adjacency(edge_index, edge_weight, x.size(0), sampled) if adjacency is None else adjacency

    def _adjacency(
        self, edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int, sampled: SampledEdges | None = None
    ) -> Any:
        weight = edge_weights(edge_index, edge_weight, next(self.parameters()).dtype)
        return self.make_adjacency(edge_index, weight, num_nodes, sampled)
