"""The head of DGCluster: modularity of similarities; BIRCH finds the clusters and their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from eco_core import BaseClusterHead, LossOutput
from eco_core.ops.nearest_centers import as_points, nearest_centers
from eco_core.ops.partition import Links
from eco_core.parts import buffers_of_any_size, checked
from eco_modularity.modularity import modularity


def unit_squares(z: Tensor) -> Tensor:
    r"""Returns rows of unit length without negative entries: :math:`x_i = z_i^2 / \lVert z_i^2 \rVert`, by entries.

    Their inner products are similarities in [0, 1]. Neither the length of a row nor the signs of its entries matter.

    Args:
        z: Embeddings of shape (num_nodes, width).

    Returns:
        Shape (num_nodes, width), at least in single precision. Rows of zeros stay zeros: similar to no node.
    """
    with torch.autocast(device_type=z.device.type, enabled=False):
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        # Scaling keeps the squares of small rows from vanishing. The result does not depend on the scale, so no
        # gradient has to flow through it.
        largest = z.detach().abs().amax(dim=1, keepdim=True)
        return F.normalize((z / torch.where(largest > 0, largest, 1)).square(), dim=1)


@checked
class DGClusterHead(BaseClusterHead):
    r"""The head of DGCluster (Bhowmick et al., AAAI 2024, arXiv 2312.12697), without labels.

    It trains the encoder, and finds the number of clusters. In the modularity, the similarity of two nodes replaces the
    question whether they share a cluster, so training needs no clusters:

    .. math::
        L = -\frac{1}{2m} \sum_{ij} \left( A_{ij} - \frac{d_i d_j}{2m} \right) x_i^T x_j
            + \alpha \left( \frac{1}{N^2} \sum_{ij} x_i^T x_j \right)^2,
        \qquad x_i = \frac{z_i^2}{\lVert z_i^2 \rVert}

    where :math:`z_i^2` has the squared entries of the embedding: similarities are between 0 and 1, and at most
    n_features nodes can have the similarity 0 with each other. The authors divide the embeddings by the sum of all
    entries and apply tanh before they square. The tanh of such small numbers is nearly the number itself, and lengths
    do not matter: the rows differ by less than 0.003 throughout training on Cora and CiteSeer, but here a node's row
    depends on no other node. Their third term compares the similarities with labels (weight :math:`\lambda`); it is
    left out here, which is :math:`\lambda = 0`.

    Clusters are the subclusters of BIRCH (Zhang et al., SIGMOD 1996; scikit-learn's) on the rows :math:`x_i`: `fit`
    finds their centres, and a node belongs to the nearest centre. Soft assignments are one-hot, and `confidence`
    returns how much nearer the nearest centre is than the second nearest. BIRCH reads the nodes in their order and
    draws no random numbers: equal embeddings in the same order give equal clusters; in another order the clusters may
    differ. BIRCH reads about 10000 nodes a second.

    This head has no parameters to train, but its loss trains the encoder: use it with the strategy joint, with or
    without an objective. With the strategy decoupled it clusters finished embeddings.

    Args:
        n_features: Width of the embeddings.
        alpha: Weight :math:`\alpha` of the regulariser, the squared mean similarity, which penalises few large
            clusters.
        threshold: Largest radius of a subcluster of BIRCH; lower: more clusters. The distance of two rows with the
            similarity 0 is 1.41.
        branching_factor: Largest number of subclusters in a node of BIRCH's tree.

    Attributes:
        subcluster_centers_: Centres by decreasing number of nodes, a buffer of shape (number of clusters, n_features),
            float32; of shape (0, n_features) before `fit`.

    Raises:
        ValueError: For parameters out of range.
    """

    subcluster_centers_: Tensor

    def __init__(
        self,
        n_features: int,
        alpha: Annotated[float, Field(ge=0)] = 0.0,
        threshold: Annotated[float, Field(gt=0)] = 0.5,
        branching_factor: Annotated[int, Field(ge=2)] = 50,
    ) -> None:
        super().__init__()
        self.n_features = n_features
        self.alpha = alpha
        self.threshold = threshold
        self.branching_factor = branching_factor
        self.register_buffer("subcluster_centers_", torch.empty(0, n_features))
        buffers_of_any_size(self, "subcluster_centers_")

    @property
    def n_clusters(self) -> int:
        """The number of clusters found; 0 before `fit`."""
        return len(self.subcluster_centers_)

    def prepare(self, graph: Any) -> Mapping[str, Any]:
        """Computes the degrees of the graph once: the value of ``links`` in `forward`."""
        edge_weight = getattr(graph, "edge_weight", None)
        return {"links": Links(graph.edge_index, edge_weight, num_nodes=graph.num_nodes)}

    def forward(
        self, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, links: Links | None = None
    ) -> LossOutput:
        """Returns the clustering loss.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            edge_index: Edges of shape (2, num_edges), dtype int64; an undirected graph has both directions of each, a
                directed one is taken as undirected.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
            links: From `prepare`; for a mini-batch its own links, which have the graph's degrees. Links of another
                graph are ignored.

        Returns:
            The loss, with the parts ``modularity`` (higher is better) and, where alpha is not 0, ``similarity``: the
            squared mean similarity of all pairs.
        """
        x = unit_squares(z)
        if links is None or not links.are_of(edge_index, edge_weight):
            links = Links(edge_index, edge_weight, num_nodes=z.size(0))
        terms = {"modularity": (-1.0, modularity(x, links))}
        if self.alpha:
            terms["similarity"] = (self.alpha, x.mean(dim=0).square().sum().square())
        return LossOutput.weighted(**terms)

    @torch.no_grad()
    def fit(self, z: Any) -> DGClusterHead:
        """Finds the clusters by BIRCH.

        Args:
            z: Embeddings of shape (num_nodes, n_features): a tensor or an array.

        Returns:
            This head.

        Raises:
            ValueError: If ``z`` has another shape, or holds NaN or infinity.
        """
        from sklearn.cluster import Birch  # The import takes a second; training does not need it.

        x = self._rows(z)
        birch = Birch(
            threshold=self.threshold, branching_factor=self.branching_factor, n_clusters=None, compute_labels=False
        ).fit(x.cpu().numpy())
        centers = torch.from_numpy(birch.subcluster_centers_).to(x.device, torch.float32)
        # A centre may end up as the nearest of no node, because nodes that joined it early are nearer to a later one.
        sizes = torch.bincount(nearest_centers(x, centers)[0], minlength=len(centers))
        by_size = sizes.argsort(descending=True, stable=True)
        self.subcluster_centers_ = centers[by_size[sizes[by_size] > 0]]
        return self

    def cluster(self, z: Any, soft: bool = False) -> Tensor:
        """Assigns nodes to the clusters that `fit` found; they need not be the nodes that were fitted.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return the assignment as probabilities; each row is one-hot.

        Returns:
            Labels of shape (num_nodes,), int64, 0 for the largest cluster of the nodes fitted; with ``soft`` shape
            (num_nodes, number of clusters), float32.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` has another shape, or holds NaN or infinity.
        """
        labels = self._nearest(z)[0]
        return nn.functional.one_hot(labels, self.n_clusters).float() if soft else labels

    def confidence(self, z: Any) -> Tensor:
        """Returns how clearly each node belongs to its cluster: the simplified silhouette (Hruschka et al., 2006).

        Args:
            z: Embeddings of shape (num_nodes, n_features).

        Returns:
            ``(d2 - d1) / d2`` with the distances to the nearest and second nearest centre, from 0 (between two centres)
            to 1 (on a centre): shape (num_nodes,). 1 if there is one cluster, 0 where ``d2`` is 0.

        Raises:
            RuntimeError: Before `fit`.
            ValueError: If ``z`` has another shape, or holds NaN or infinity.
        """
        distances = self._nearest(z)[1].float()
        if self.n_clusters == 1:
            return torch.ones_like(distances[:, 0])
        first, second = distances.unbind(1)
        return torch.where(second > 0, (second - first) / second, 0)

    @torch.no_grad()
    def _nearest(self, z: Any) -> tuple[Tensor, Tensor]:
        if self.n_clusters == 0:
            raise RuntimeError("This DGClusterHead has no clusters yet; call fit(z) first, or load a fitted one.")
        return nearest_centers(self._rows(z), self.subcluster_centers_)

    def _rows(self, z: Any) -> Tensor:
        """Returns the rows that BIRCH clusters, checked and detached."""
        points = as_points(z, who=type(self).__name__)
        if points.shape[1] != self.n_features:
            raise ValueError(
                f"DGClusterHead got embeddings of width {points.shape[1]}; expected n_features = {self.n_features}. "
                "Pass embeddings of the encoder that it was made for."
            )
        return unit_squares(points if points.layout == torch.strided else points.to_dense())


__all__ = ["DGClusterHead", "unit_squares"]
