"""NS4GC: two views of a graph agree, neighbours are alike, and all other nodes are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from eco_contrastive.views import two_views
from eco_core import LossOutput
from eco_core.ops.all_pairs import LinkedPairs, draw_anchors, linked_pairs, mean_sigmoid_of_others, pair_sum
from eco_core.ops.normalize_rows import normalize_rows
from eco_core.ops.sample import is_mini_batch
from eco_core.parts import checked
from eco_core.transforms import GSSLTransform, View


@checked
class NS4GC(nn.Module):
    r"""Node-similarity guided contrast (Liu et al., TKDE 2024, arXiv 2408.03765).

    The embeddings of two random views of the graph, of unit length, have the similarities :math:`S = Z^{(1)} Z^{(2)T}`.
    The loss raises the similarity of a node's two embeddings and of linked nodes (the edges E), and lowers the
    similarity of two nodes that are not linked below a threshold s:

    .. math::
        L = - \frac{1}{N} \sum_i S_{ii}
            - \frac{\lambda}{|E|} \sum_{(i,j) \in E} S_{ij}
            + \frac{\gamma}{|\bar E|} \sum_{(i,j) \in \bar E} \sigma \left( \frac{S_{ij} - s}{\tau} \right),
        \qquad \bar E = \{(i,j) \notin E, \, i \ne j\}

    E are the edges of the graph itself, not of its views. Each edge is taken in both directions. With edge weights, the
    second term is a weighted mean. In the second term, parallel edges count separately. Loops are left out. A term over
    no pairs is 0. The sum over all pairs is computed in blocks of rows: time O(N^2 d), memory O(N d) plus one block.

    Args:
        transform1: Makes the first view; in a spec the parameters of `eco_core.transforms.GSSLTransform`.
        transform2: Makes the second view.
        s: The threshold: similarities above it, of nodes that are not linked, raise the loss.
        tau: Temperature of the sigmoid: how sharp the threshold is.
        lam: Weight of the neighbours' term.
        gam: Weight of the sparsity term.
        num_anchors: Number of nodes, drawn anew in each step, from which the pairs of the sparsity term go out: an
            unbiased estimate in time O(num_anchors N d), for graphs with too many pairs. None: all nodes.
    """

    supports_sparse_x = True
    prepared_for_batches = False

    def __init__(
        self,
        transform1: View = GSSLTransform(0.2, 0.3),
        transform2: View = GSSLTransform(0.2, 0.3),
        s: float = 0.6,
        tau: Annotated[float, Field(gt=0)] = 0.1,
        lam: Annotated[float, Field(ge=0)] = 1.0,
        gam: Annotated[float, Field(ge=0)] = 1.0,
        num_anchors: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        super().__init__()
        self.transform1 = transform1
        self.transform2 = transform2
        self.s = s
        self.tau = tau
        self.lam = lam
        self.gam = gam
        self.num_anchors = num_anchors

    def prepare(self, graph: Any, edge_index: Tensor, edge_weight: Tensor | None = None) -> dict[str, LinkedPairs]:
        """Sorts the edges, once for each graph: the value of ``links`` in `forward`."""
        return {"links": linked_pairs(edge_index, graph.num_nodes, edge_weight)}

    def forward(
        self,
        encode: Callable[[Any], Tensor],
        graph: Any,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        links: LinkedPairs | None = None,
    ) -> LossOutput:
        """Returns the loss of a graph.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, width).
            graph: The graph, or a mini-batch of it: then only the pairs of its seed nodes count.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges), dtype int64.
            edge_weight: Their weights, of shape (num_edges,); None: all 1.
            links: From `prepare`.

        Returns:
            The loss, with its parts ``alignment``, ``neighbours`` and ``sparsity`` (unweighted).
        """
        z1, z2 = map(_unit_length, two_views(encode, graph, self.transform1, self.transform2))
        if links is None or is_mini_batch(graph):  # A batch numbers its nodes anew.
            links = linked_pairs(edge_index, z1.size(0), edge_weight)
        alignment = -(z1 * z2).sum(dim=-1).mean()
        neighbours = -pair_sum(z1, z2, links.matrix) / links.matrix.values().sum().clamp(min=1e-12)
        anchors = draw_anchors(z1, self.num_anchors)
        if anchors is not None:
            z1, links = z1.index_select(0, anchors), links.of_anchors(anchors)
        sparsity = mean_sigmoid_of_others(z1, z2, links, self.s, self.tau)
        return LossOutput.weighted(
            alignment=(1.0, alignment), neighbours=(self.lam, neighbours), sparsity=(self.gam, sparsity)
        )

    def extra_repr(self) -> str:
        """Returns the parameters of the loss."""
        return f"s={self.s}, tau={self.tau}, lam={self.lam}, gam={self.gam}, num_anchors={self.num_anchors}"


def _unit_length(z: Tensor) -> Tensor:
    return normalize_rows(z.to(torch.promote_types(z.dtype, torch.float32)))
