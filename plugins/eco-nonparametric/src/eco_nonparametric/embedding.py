"""An encoder without a network: a trained vector for each node."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from eco_core.errors import DataError, Problem
from eco_core.parts import checked


@checked
class NodeEmbedding(nn.Module):
    """A table with one trained vector for each node, as in node2vec (Grover & Leskovec, 2016, arXiv 1607.00653).

    Features and edges are ignored: the vectors learn about the graph only through the objective. The table
    belongs to the graph that it was trained on and cannot embed other nodes.

    Args:
        num_nodes: Number of nodes.
        embedding_dim: Width of the embedding.

    Attributes:
        weight: The vectors, shape (num_nodes, embedding_dim); from N(0, 1) at first.
    """

    learns = True
    reads_graph = False
    supports_sparse_x = True  # It does not read the features.

    def __init__(self, num_nodes: int, embedding_dim: Annotated[int, Field(ge=1)] = 128) -> None:
        super().__init__()
        self.num_nodes = num_nodes
        self.embedding_dim = embedding_dim
        self.weight = nn.Parameter(torch.empty(num_nodes, embedding_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all vectors anew."""
        nn.init.normal_(self.weight)

    def forward(self, graph: Any) -> Tensor:
        """Returns the vectors of a graph's nodes.

        Args:
            graph: The whole graph, or a mini-batch of it, which has ``n_id``: its nodes' numbers in the whole graph.

        Returns:
            Embeddings of shape (graph.num_nodes, embedding_dim). For the whole graph they are the table itself, not a
            copy.

        Raises:
            DataError: ECO303, if the graph does not have the nodes that the table was made for.
        """
        n_id = getattr(graph, "n_id", None)
        if n_id is not None:
            return F.embedding(n_id, self.weight)
        if graph.num_nodes != self.num_nodes:
            raise DataError(
                Problem(
                    "ECO303",
                    f"This table has a vector for each of {self.num_nodes} nodes, and the graph has {graph.num_nodes}: "
                    "it cannot embed nodes that it was not trained on.",
                    "Train on the graph itself, or use an encoder of features, such as 'gcn'.",
                )
            )
        return self.weight

    def extra_repr(self) -> str:
        """Returns the size of the table."""
        return f"{self.num_nodes}, {self.embedding_dim}"
