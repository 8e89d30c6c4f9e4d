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

    This head is discrete and ignores features: it uses only the number of rows of the embeddings. It finds the number
    of communities. The communities maximise

    .. math::
        \text{modularity: } \sum_c \left[ w_c - \gamma \frac{v_c^2}{W} \right], \qquad
        \text{cpm: } \sum_c \left[ w_c - \gamma \, n_c^2 \right]

    up to terms that do not depend on the communities. Here :math:`W = \sum_{ij} A_{ij}` is the total weight;
    :math:`w_c` is the weight of A within community c, :math:`v_c` the volume of c, and :math:`n_c` its number of nodes.
    With :math:`\gamma = 1` the first is Newman and Girvan's modularity times W; the constant Potts model (Traag et al.,
    2011, arXiv 1104.3083) has no resolution limit, but its :math:`\gamma` has to be chosen: the density within a
    community is above :math:`\gamma`, the density between communities is below.

    Args:
        resolution: :math:`\gamma`; higher: more and smaller communities.
        objective: ``"modularity"`` or ``"cpm"``.
        n_iterations: Passes of the algorithm; -1: until a pass changes nothing.
        seed: Seed of the order in which nodes are visited; None: a different seed each time.

    Attributes:
        quality_: The maximised value, as leidenalg scales it; for ``modularity`` divided by W, so that with
            :math:`\gamma = 1` it is the modularity. None before `fit`.

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
