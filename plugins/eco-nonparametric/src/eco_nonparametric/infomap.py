"""The Infomap head: communities that describe a random walk briefly, found in the graph alone."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from eco_core.parts import checked
from eco_nonparametric.communities import CommunityClusterHead, UndirectedEdges, require

_SEEDS = 2**31 - 1
"""Infomap takes seeds from 1; they are kept within 31 bits."""


@checked
class InfomapClusterHead(CommunityClusterHead):
    r"""Infomap communities (Rosvall & Bergstrom, PNAS 2008, arXiv 0707.0609), by the infomap package.

    This head is discrete and ignores features: it uses only the number of rows of the embeddings. It finds the number
    of communities. The communities minimise the map equation: the bits per step that describe a random walk on the
    graph, with a code book for each community and one for the moves between communities:

    .. math:: L = q H(Q) + \sum_c p_c H(P_c)

    with the rate q of moves between communities, the share :math:`p_c` of the steps that use the code book of c, and
    the entropies H of the code words of each book. A node without edges is never visited: it is a community of its own.

    Args:
        num_trials: Number of restarts; the result with the shortest description is kept.
        two_level: Whether to search for communities without a hierarchy. Otherwise Infomap searches for a hierarchy,
            and its top level is returned.
        markov_time: Steps of the walk between two code words (Kheirkhahzadeh et al., 2016, arXiv 1511.01540); higher:
            fewer and larger communities.
        seed: Seed of the restarts; None: a different seed each time.

    Attributes:
        codelength_: L of the communities found, in bits; None before `fit`, 0 for a graph without edges.

    Raises:
        CompositionError: ECO110, if infomap is not installed.
        ValueError: For parameters out of range.
    """

    def __init__(
        self,
        num_trials: Annotated[int, Field(ge=1)] = 10,
        two_level: bool = True,
        markov_time: Annotated[float, Field(gt=0)] = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        require("infomap", "infomap", "infomap")
        self.num_trials = num_trials
        self.two_level = two_level
        self.markov_time = markov_time
        self.seed = seed
        self.codelength_: float | None = None

    def fit(self, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> InfomapClusterHead:
        """Finds the communities; see `CommunityClusterHead.fit`."""
        self.codelength_ = 0.0
        super().fit(z, edge_index, edge_weight)
        return self

    def communities(self, edges: UndirectedEdges, num_nodes: int) -> NDArray[np.int64]:
        """Finds the community of each node; see `CommunityClusterHead.communities`."""
        infomap = require("infomap", "infomap", "infomap")
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        search = infomap.Infomap(
            num_trials=self.num_trials,
            two_level=self.two_level,
            markov_time=self.markov_time,
            seed=seed % _SEEDS + 1,
            silent=True,
        )
        search.add_links(np.column_stack([edges.nodes, edges.weights]))
        result = search.run()
        self.codelength_ = float(result.codelength)
        # Nodes without edges are not in the network; each keeps a negative number, which no module has.
        membership = -1 - np.arange(num_nodes)
        modules = result.modules(1)  # By position: before infomap 2.16 this argument, the level, is named depth.
        membership[np.fromiter(modules, np.int64)] = np.fromiter(modules.values(), np.int64)
        return membership
