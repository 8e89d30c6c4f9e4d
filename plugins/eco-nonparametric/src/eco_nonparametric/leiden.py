"""The Leiden head: communities of highest modularity, found in the graph alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from eco_core.parts import checked
from eco_nonparametric.communities import CommunityClusterHead, UndirectedEdges, require


@checked
class LeidenClusterHead(CommunityClusterHead):
    r"""Leiden communities (Traag et al., Scientific Reports 2019, arXiv 1810.08473), by leidenalg.

    Discrete, and without features: of the embeddings only the number of rows is used. The number of communities is
    found. They maximise

    .. math::
        \text{modularity: } \sum_c \left[ w_c - \gamma \frac{v_c^2}{W} \right], \qquad
        \text{cpm: } \sum_c \left[ w_c - \gamma \, n_c^2 \right]

    up to terms that do not depend on the communities, with the total :math:`W = \sum_{ij} A_{ij}`, and, of community c,
    the weight :math:`w_c` of A within it, its volume :math:`v_c` and its number of nodes :math:`n_c`. With
    :math:`\gamma = 1` the first is Newman and Girvan's modularity times W; the constant Potts model (Traag et al.,
    2011, arXiv 1104.3083) has no resolution limit, but its :math:`\gamma` has to be chosen: a community is denser
    than it within, and sparser towards others.

    Args:
        resolution: :math:`\gamma`; higher: more and smaller communities.
        objective: ``"modularity"`` or ``"cpm"``.
        n_iterations: Passes of the algorithm; -1: until one changes nothing.
        seed: Of the order in which nodes are visited; None: a different one each time.

    Attributes:
        quality_: What was maximised, by leidenalg's own scaling: for ``modularity`` divided by W, which with
            :math:`\gamma = 1` is the modularity; None before `fit`.

    Raises:
        CompositionError: ECO110, if leidenalg is not installed.
        ValueError: For parameters out of range.
    """

    def __init__(
        self,
        resolution: Annotated[float, Field(gt=0)] = 1.0,
        objective: Literal["modularity", "cpm"] = "modularity",
        n_iterations: Annotated[int, Field(ge=-1)] = -1,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        require("leidenalg", "leidenalg", "leiden")
        if n_iterations == 0:  # The one number of its range that means nothing.
            raise ValueError(f"n_iterations is {n_iterations}; expected 1 or more, or -1 for as many as it takes.")
        self.resolution = resolution
        self.objective = objective
        self.n_iterations = n_iterations
        self.seed = seed
        self.quality_: float | None = None

    def communities(self, edges: UndirectedEdges, num_nodes: int) -> Sequence[int]:
        """Finds the community of each node; see `CommunityClusterHead.communities`."""
        igraph = require("igraph", "igraph", "leiden")
        leidenalg = require("leidenalg", "leidenalg", "leiden")
        # A self-loop adds twice its weight to its node's degree in igraph, and once in ECO's metrics.
        is_loop = edges.nodes[:, 0] == edges.nodes[:, 1]
        weights = edges.weights.copy()
        weights[is_loop] /= 2
        kinds = {"modularity": leidenalg.RBConfigurationVertexPartition, "cpm": leidenalg.CPMVertexPartition}
        partition = leidenalg.find_partition(
            igraph.Graph(n=num_nodes, edges=edges.nodes),
            kinds[self.objective],
            weights=weights.tolist(),
            n_iterations=self.n_iterations,
            seed=self.seed,
            resolution_parameter=self.resolution,
        )
        scale = 2 * weights.sum() if self.objective == "modularity" else 1.0
        self.quality_ = float(partition.quality() / scale)
        return partition.membership
