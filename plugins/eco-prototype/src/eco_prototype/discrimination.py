"""Node discrimination: distinguishing the nodes of a graph from the nodes of a corrupted copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from eco_core import LossOutput
from eco_core.ops.propagation import normalized_adjacency, propagate
from eco_core.parts import checked
from eco_core.transforms import MaskFeatures, ShuffleEdges, ShuffleFeatures

Corruption = Literal["shuffle_nodes", "shuffle_edges"]


@checked
class NodeDiscrimination(nn.Module):
    r"""Node discrimination of Dink-Net (Liu et al., ICML 2023, arXiv 2305.18405).

    A corrupted copy of the graph is encoded, too. The logit of a node is the sum of its projected embedding,
    :math:`g_i = \mathbf{1}^T p(z_i)`, and the loss is the cross entropy of classifying the N nodes of the graph and the
    N nodes of its copy:

    .. math::
        L = \frac{1}{2N} \sum_{i=1}^{N} \left( - \log \sigma(g_i) - \log (1 - \sigma(\tilde g_i)) \right)

    The corruption is drawn anew in every step, from torch's generator. This is group discrimination (Zheng et al.,
    NeurIPS 2022, arXiv 2206.01535). As there, heads can get the encoder's embedding plus its propagation over the
    graph, :math:`Z + \hat A^{power} Z`, where :math:`\hat A` is the symmetrically normalised adjacency with self-loops;
    the loss uses Z alone.

    Args:
        n_features: Width of the embeddings.
        projector_layers: Number of linear maps of the projector, each of the embedding's width, with ReLU between two.
        corruption: How the copy is made: ``shuffle_nodes`` (each node gets the features of another node, edges stay) or
            ``shuffle_edges`` (each edge gets the target of another edge, features stay).
        feature_dropout: Share of the features that are set to zero in every step, the same for all nodes of the graph
            and of its copy.
        power: Number of steps by which the embedding is propagated over the graph; 0: heads get the encoder's output.
    """

    needs_views = True
    supports_sparse_x = True
    directed = True

    def __init__(
        self,
        n_features: int,
        projector_layers: Annotated[int, Field(ge=1)] = 1,
        corruption: Corruption = "shuffle_nodes",
        feature_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        power: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self.n_features = n_features
        self.corruption = corruption
        self.feature_dropout = feature_dropout
        self.power = power
        hidden = [part for _ in range(projector_layers - 1) for part in (nn.Linear(n_features, n_features), nn.ReLU())]
        self.projector = nn.Sequential(*hidden, nn.Linear(n_features, n_features))

    def forward(self, encode: Callable[[Any], Tensor], graph: Any) -> LossOutput:
        """Returns the loss of a graph, without changing the graph.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, n_features).
            graph: The graph, or a mini-batch of it, with ``x`` (dense or sparse COO) and ``edge_index``.

        Returns:
            The loss, with its parts ``original`` (of the graph's nodes) and ``corrupted`` (of the copy's nodes).
        """
        seen = MaskFeatures(self.feature_dropout)(graph) if self.feature_dropout > 0 else graph
        real, fake = (self.logits(encode(each)) for each in (seen, _CORRUPTIONS[self.corruption](seen)))
        # softplus(-g) is -log sigmoid(g), and softplus(g) is -log(1 - sigmoid(g)), without overflow.
        original, corrupted = F.softplus(-real).mean(), F.softplus(fake).mean()
        return LossOutput(total=(original + corrupted) / 2, original=original, corrupted=corrupted)

    def embed(
        self, encode: Callable[[Any], Tensor], graph: Any, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor:
        """Returns the embedding of a graph's nodes, of shape (num_nodes, n_features).

        Args:
            encode: Maps a graph to its embeddings.
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges).
            edge_weight: Their weights, of shape (num_edges,); None: all 1.
        """
        z = encode(graph)
        if self.power == 0:
            return z
        dtype = torch.promote_types(z.dtype, torch.float32)
        adjacency = normalized_adjacency(edge_index, edge_weight, num_nodes=z.size(0), dtype=dtype)
        return z + propagate(adjacency, z, self.power).to(z.dtype)

    def logits(self, z: Tensor) -> Tensor:
        """Scores nodes: the sums of their projected embeddings.

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            Logits of shape (num_nodes,): positive for nodes of the graph, negative for nodes of a corrupted copy.
        """
        last: Any = self.projector[-1]
        # The sum over the outputs of a linear map is a linear map to one output, n_features times cheaper.
        weight, bias = last.weight.sum(dim=0, keepdim=True), last.bias.sum(dim=0, keepdim=True)
        return F.linear(self.projector[:-1](z), weight, bias).squeeze(-1)


_CORRUPTIONS: dict[str, Callable[[Any], Any]] = {"shuffle_nodes": ShuffleFeatures(), "shuffle_edges": ShuffleEdges()}
