"""Why the clusters of a run are clusters: a value of plain data, computed once at the end of a run.

It is computed from the graph, the clusters, their confidence and the embeddings. Labels have one use: the metrics of
the baselines compare with them, as the metrics of the run do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.metrics.arrays import clusters_of, to_numpy
from eco_core.results.baselines import Baseline, baselines_of
from eco_core.results.blocks import Blocks, block_matrix
from eco_core.results.clustering import Clustering
from eco_core.results.differences import Difference, differences_of, proposed_name
from eco_core.results.embedding_map import EmbeddingMap, embedding_map
from eco_core.results.members import Member, members_of

FORMAT = 1
_NEIGHBOURS = 5
_SHOWN_BLOCKS = 40
"""Clusters of the block matrix that is kept: the largest ones."""


@dataclass(frozen=True)
class Neighbour:
    """Another cluster that edges of a cluster lead to.

    Attributes:
        cluster: Its number.
        share: Its share of the weight of all edges that leave the cluster.
    """

    cluster: int
    share: float


@dataclass(frozen=True)
class ClusterSummary:
    """One cluster.

    Attributes:
        cluster: Its number, as in ``assignments.csv``.
        name: A name proposed from what sets it apart.
        size: Number of its nodes.
        share: Its share of all nodes.
        density: Edges within it, as a share of all that are possible.
        conductance: Weight of the edges that leave it, divided by its volume or the rest's, whichever is smaller.
        confidence: Mean confidence of its nodes.
        neighbours: The clusters that most of its outgoing edges lead to.
        differences: What sets it apart, the largest effect first.
        typical: The nodes nearest to its centre.
        uncertain: The nodes with the lowest confidence.
    """

    cluster: int
    name: str
    size: int
    share: float
    density: float
    conductance: float
    confidence: float
    neighbours: tuple[Neighbour, ...] = ()
    differences: tuple[Difference, ...] = ()
    typical: tuple[Member, ...] = ()
    uncertain: tuple[Member, ...] = ()


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a report says about a clustering, beside its metrics.

    Attributes:
        data: Facts of the graph.
        columns: What was done with each column of the user's tables.
        clusters: The clusters, the largest first.
        blocks: The weight of the edges between the largest clusters.
        baselines: Two simple clusterings of the same graph, for comparison.
        map: Positions of nodes in the plane.
        confidence: Histogram of the confidence in 20 bins from 0 to 1.
        seconds: Seconds that the explanation took.
        notes: Sentences about what was left out.
    """

    data: Mapping[str, Any]
    columns: Sequence[Mapping[str, Any]]
    clusters: tuple[ClusterSummary, ...]
    blocks: Blocks
    baselines: tuple[Baseline, ...]
    map: EmbeddingMap
    confidence: tuple[int, ...]
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Returns the explanation as plain data, ready for JSON."""
        return {
            "format": FORMAT,
            "data": dict(self.data),
            "columns": [dict(column) for column in self.columns],
            "clusters": [asdict(cluster) for cluster in self.clusters],
            "blocks": asdict(self.blocks),
            "baselines": [asdict(baseline) for baseline in self.baselines],
            "map": self.map.document(),
            "confidence": list(self.confidence),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Explanation:
        """Reads what `document` returned.

        Args:
            document: The plain data.
        """
        return cls(
            data=document["data"],
            columns=document["columns"],
            clusters=tuple(_cluster_of(entry) for entry in document["clusters"]),
            blocks=Blocks(**{key: tuple(map(_frozen, value)) for key, value in document["blocks"].items()}),
            baselines=tuple(Baseline(**entry) for entry in document["baselines"]),
            map=EmbeddingMap.from_document(document["map"]),
            confidence=tuple(document["confidence"]),
            seconds=document["seconds"],
            notes=tuple(document["notes"]),
        )


def _cluster_of(entry: Mapping[str, Any]) -> ClusterSummary:
    return ClusterSummary(
        **{
            **entry,
            "neighbours": tuple(Neighbour(**value) for value in entry["neighbours"]),
            "differences": tuple(Difference(**value) for value in entry["differences"]),
            "typical": tuple(Member(**value) for value in entry["typical"]),
            "uncertain": tuple(Member(**value) for value in entry["uncertain"]),
        }
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def explain(graph: Any, clustering: Clustering, *, seed: int = 0) -> Explanation:
    """Explains a clustering of a graph.

    Args:
        graph: The ``torch_geometric.data.Data`` that was clustered, with ``node_table``, ``columns`` and
            ``feature_names`` where they are known.
        clustering: The result of the fit.
        seed: Seed of samples and of the map; global random numbers are neither read nor changed.

    Returns:
        The explanation. What is too large to be computed cheaply is left out, and a note says so.
    """
    begin = time.perf_counter()
    labels = clusters_of(clustering.labels)
    ids, index = np.unique(labels, return_inverse=True)
    edge_index, edge_weight = graph.edge_index, graph.get("edge_weight")
    between, entries = block_matrix(index, len(ids), edge_index, edge_weight)
    facts = _facts(graph)
    baselines, notes = baselines_of(graph, len(ids), undirected=bool(facts.get("undirected")), seed=seed)
    summaries = _summaries(graph, clustering, ids, index, between, entries)
    order = sorted(range(len(ids)), key=lambda row: (-summaries[row].size, summaries[row].cluster))
    return Explanation(
        data=facts,
        columns=tuple(dict(column) for column in graph.get("columns") or ()),
        clusters=_with_names([summaries[row] for row in order]),
        blocks=Blocks.of(between, ids, order[:_SHOWN_BLOCKS]),
        baselines=baselines,
        map=embedding_map(clustering.embedding, seed=seed),
        confidence=histogram_of(clustering),
        seconds=time.perf_counter() - begin,
        notes=notes,
    )


def explain_from_results(clustering: Clustering) -> Explanation:
    """Explains a clustering without its graph: sizes, confidence, members and the map.

    Args:
        clustering: The result of a fit, such as a run folder holds it.
    """
    begin = time.perf_counter()
    labels = clusters_of(clustering.labels)
    ids, index = np.unique(labels, return_inverse=True)
    sizes = np.bincount(index, minlength=len(ids))
    typical, uncertain = members_of(clustering, index, len(ids))
    confidence = _means(to_numpy(clustering.confidence), index, sizes)
    nan = float("nan")
    clusters = [
        ClusterSummary(
            int(ids[row]),
            "",
            int(sizes[row]),
            float(sizes[row] / len(labels)),
            nan,
            nan,
            float(confidence[row]),
            typical=typical[row],
            uncertain=uncertain[row],
        )
        for row in range(len(ids))
    ]
    return Explanation(
        data={"nodes": len(labels)},
        columns=(),
        clusters=_with_names(sorted(clusters, key=lambda cluster: (-cluster.size, cluster.cluster))),
        blocks=Blocks(),
        baselines=(),
        map=embedding_map(clustering.embedding),
        confidence=histogram_of(clustering),
        seconds=time.perf_counter() - begin,
        notes=("The run kept no explanation.json, so the page says nothing about edges, columns and baselines.",),
    )


def histogram_of(clustering: Clustering) -> tuple[int, ...]:
    """Counts the nodes by confidence, in 20 bins from 0 to 1.

    Args:
        clustering: The result of a fit.
    """
    values = np.nan_to_num(to_numpy(clustering.confidence).astype(float))
    return tuple(int(count) for count in np.histogram(values, bins=20, range=(0.0, 1.0))[0])


def _summaries(
    graph: Any, clustering: Clustering, ids: NDArray[Any], index: NDArray[Any], between: Any, entries: NDArray[Any]
) -> list[ClusterSummary]:
    sizes = np.bincount(index, minlength=len(ids))
    symmetric = ((between + between.T) / 2).tocsr()
    volume = np.asarray(symmetric.sum(axis=1)).ravel()
    within = symmetric.diagonal()
    cut = np.maximum(volume - within, 0.0)
    smaller = np.minimum(volume, volume.sum() - volume)
    conductance = np.clip(np.divide(cut, smaller, out=np.zeros_like(cut), where=smaller > 0), 0.0, 1.0)
    pairs = sizes.astype(float) * (sizes - 1)
    density = np.clip(np.divide(entries, pairs, out=np.zeros(len(ids)), where=pairs > 0), 0.0, 1.0)
    confidence = _means(to_numpy(clustering.confidence), index, sizes)
    typical, uncertain = members_of(clustering, index, len(ids))
    differences = differences_of(graph, index, len(ids))
    return [
        ClusterSummary(
            cluster=int(ids[row]),
            name="",
            size=int(sizes[row]),
            share=float(sizes[row] / len(index)),
            density=float(density[row]),
            conductance=float(conductance[row]),
            confidence=float(confidence[row]),
            neighbours=_neighbours(symmetric, row, float(cut[row]), ids),
            differences=differences[row],
            typical=typical[row],
            uncertain=uncertain[row],
        )
        for row in range(len(ids))
    ]


def _neighbours(symmetric: Any, row: int, cut: float, ids: NDArray[Any]) -> tuple[Neighbour, ...]:
    if cut <= 0:
        return ()
    columns, weights = (part[symmetric.indptr[row] : symmetric.indptr[row + 1]] for part in _arrays(symmetric))
    found = sorted(
        ((float(weight), int(column)) for column, weight in zip(columns, weights, strict=True) if column != row),
        key=lambda pair: (-pair[0], pair[1]),
    )
    return tuple(
        Neighbour(int(ids[column]), float(weight / cut)) for weight, column in found[:_NEIGHBOURS] if weight > 0
    )


def _arrays(matrix: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    return matrix.indices, matrix.data


def _means(values: NDArray[Any], index: NDArray[Any], sizes: NDArray[Any]) -> NDArray[np.float64]:
    return np.bincount(index, np.nan_to_num(values.astype(float)), minlength=len(sizes)) / np.maximum(sizes, 1)


def _with_names(clusters: Sequence[ClusterSummary]) -> tuple[ClusterSummary, ...]:
    """Gives each cluster a name of its own; clusters come the largest first, so the largest keeps the shortest name."""
    taken: set[str] = set()
    named = []
    for cluster in clusters:
        name = f"cluster {cluster.cluster}"
        for parts in (2, 3, 4):
            proposal = proposed_name(cluster.differences, parts)
            if proposal and proposal not in taken:
                name = proposal
                break
        taken.add(name)
        named.append(replace(cluster, name=name))
    return tuple(named)


def _facts(graph: Any) -> dict[str, Any]:
    """The graph in a few figures. A graph on disk is not read for it."""
    from eco_core.data.info import graph_info

    if getattr(graph, "incoming", None) is not None and not getattr(graph, "is_as_stored", True):
        return {"name": str(graph.get("name") or "graph"), "nodes": int(graph.num_nodes)}
    facts = graph_info(graph)
    return {key: value for key, value in facts.items() if key != "feature_density"}


__all__ = ["ClusterSummary", "Explanation", "Neighbour", "explain", "explain_from_results", "histogram_of"]
