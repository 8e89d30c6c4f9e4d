"""Mini-batches of a graph for training: sampled neighbourhoods, or subgraphs.

Each pass over the mini-batches is an epoch: every node is a seed node once. A mini-batch is a ``Data`` with ``n_id``,
``batch_size`` (its first nodes are the seed nodes) and ``rows``, the `eco_core.ops.sample.BatchRows` that heads and
objectives see.

Several processes that train together draw the same mini-batches. Each process yields its part of every mini-batch;
``share`` is the fraction of the mini-batch's seed nodes in this part. Each seed node is in exactly one part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.sampler import NodeSamplerInput, SamplerOutput

from eco_core.data.sampling.neighbors import NeighborSampler
from eco_core.data.sampling.node_groups import node_groups
from eco_core.errors import CompositionError, Problem
from eco_core.ops.csr import incoming_of, take_rows
from eco_core.ops.random_walks import Neighbors
from eco_core.ops.sample import BatchRows, Sample
from eco_core.ops.sparse_factor import SparseFactor

_GROUPS_OF_A_BATCH = 8
"""Number of groups in a mini-batch of subgraphs. With one group, no mini-batch would hold edges between groups."""


class NeighborBatches:
    """Random seed nodes with their sampled neighbourhoods (Hamilton et al., NeurIPS 2017, arXiv 1706.02216).

    Seed nodes are drawn without replacement, so that the rows of a mini-batch are a simple random sample of the nodes.

    Args:
        graph: A graph with ``x``, ``edge_index`` and, optionally, ``edge_weight``.
        num_neighbors: Number of neighbours of a node that are sampled in each hop; -1: all.
        batch_size: Largest number of seed nodes of a mini-batch. The sizes of an epoch's mini-batches differ by at most
            one.
        rank: Number of this process.
        world_size: Number of processes that share each mini-batch.
    """

    def __init__(
        self, graph: Data, num_neighbors: Sequence[int], batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self._graph, self._reader = graph, _Reader(graph)
        self._sampler = _sampler(graph, num_neighbors)
        self._induced = InducedEdges(self._sampler.incoming)
        self._in_degree = _in_degrees(self._sampler, graph)
        self.batch_size = batch_size
        self._rank, self._world_size = rank, world_size
        _check_shares(int(graph.num_nodes) // len(self), "nodes", world_size)

    def __len__(self) -> int:
        return math.ceil(self._sampler.incoming.num_nodes / self.batch_size)

    def __iter__(self) -> Iterator[Data]:
        """Yields the mini-batches of an epoch; order and samples are drawn from torch's generator."""
        num_nodes = self._sampler.incoming.num_nodes
        self._sampler.manual_seed(int(torch.randint(2**62, ())) + self._rank)
        for joint in torch.randperm(num_nodes).tensor_split(len(self)):
            seeds = joint.tensor_split(self._world_size)[self._rank]
            out = self._sampler.sample_from_nodes(NodeSamplerInput(input_id=None, node=seeds))
            edge_index = torch.stack([out.row, out.col])
            sample = Sample(num_nodes, len(seeds), torch.arange(len(seeds)))
            rows = self._induced.rows(seeds, sample, self._sampler.edge_permutation, self._graph)
            e_id = _edges_of(self._sampler.edge_permutation, out.edge)
            batch = self._reader.batch(out.node, edge_index, e_id, len(seeds), rows, len(seeds) / len(joint))
            self._add_what_edges_stand_for(batch, out)
            yield batch

    def _add_what_edges_stand_for(self, batch: Data, out: SamplerOutput) -> None:
        """Adds ``edge_scale`` and ``in_degree``, which `eco_core.ops.sample.SampledEdges` reads."""
        rowptr = self._sampler.incoming.rowptr
        edges = rowptr[out.node + 1] - rowptr[out.node]
        sampled = torch.bincount(out.col, minlength=len(out.node))
        device = batch.edge_index.device
        batch.edge_scale = (edges / sampled)[out.col].to(device)
        batch.in_degree = self._in_degree[out.node].to(device)


class SubgraphBatches:
    """Unions of random groups of nodes with all edges among their nodes (Chiang et al., KDD 2019, arXiv 1905.07953).

    Args:
        graph: A graph with ``x``, ``edge_index`` and, optionally, ``edge_weight``.
        batch_size: Approximate number of nodes of a mini-batch.
        seed: Seed of the groups, which are the same in all epochs.
        rank: Number of this process.
        world_size: Number of processes that share the groups of each mini-batch.
    """

    def __init__(self, graph: Data, batch_size: int, seed: int = 0, rank: int = 0, world_size: int = 1) -> None:
        self._graph, self._reader = graph, _Reader(graph)
        self._sampler = _sampler(graph, [-1])
        incoming = self._sampler.incoming
        self._induced = InducedEdges(incoming)
        size = max(1, batch_size // _GROUPS_OF_A_BATCH)
        self._groups = node_groups(incoming, size, seed)
        self._number = math.ceil(incoming.num_nodes / batch_size)
        self._rank, self._world_size = rank, world_size
        _check_shares(len(self._groups) // len(self), "parts of the graph", world_size)

    def __len__(self) -> int:
        return min(self._number, len(self._groups))

    def __iter__(self) -> Iterator[Data]:
        """Yields the mini-batches of an epoch; torch's generator draws which groups form a mini-batch."""
        total = len(self._groups)
        for joint in torch.randperm(total).tensor_split(len(self)):
            chosen = joint.tensor_split(self._world_size)[self._rank]
            groups = [self._groups[number] for number in chosen.tolist()]
            joint_size = sum(len(self._groups[number]) for number in joint.tolist())
            sizes = torch.tensor([len(group) for group in groups])
            sample = Sample(total, len(groups), torch.arange(len(groups)).repeat_interleave(sizes))
            nodes = torch.cat(groups)
            rows = self._induced.rows(nodes, sample, self._sampler.edge_permutation, self._graph)
            e_id = cast(Tensor, rows.e_id)  # InducedEdges always sets e_id.
            yield self._reader.batch(nodes, rows.edge_index, e_id, len(nodes), rows, len(nodes) / joint_size)


def _check_shares(units: int, what: str, world_size: int) -> None:
    """Raises ECO104 if a process would have no share of a mini-batch."""
    if units < world_size:
        raise CompositionError(
            Problem(
                "ECO104",
                f"{world_size} processes share each batch, but a batch has only {units} {what}.",
                "Use a larger train.batch_size, or fewer --devices.",
            )
        )


class InducedEdges:
    """Finds the edges among some nodes of a graph.

    Args:
        incoming: The graph, as the sources of the edges that point to each node.
    """

    def __init__(self, incoming: Neighbors) -> None:
        self._incoming = incoming
        self._place = np.full(incoming.num_nodes, -1, dtype=np.int64)

    def among(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Finds the edges among nodes.

        Args:
            nodes: Distinct nodes, shape (num_rows,), int64.

        Returns:
            The edges as positions in ``nodes``, of shape (2, num_edges), from sources to targets; and the position of
            each edge in ``incoming.col``.
        """
        from eco_core.data.sampling import _kernels as kernels

        arrays = (self._incoming.rowptr.numpy(), self._incoming.col.numpy(), nodes.numpy(), self._place)
        self._place[nodes.numpy()] = np.arange(len(nodes))
        try:
            ends = np.empty(len(nodes), dtype=np.int64)
            kernels.count_induced(*arrays, ends)
            edge_index = torch.empty(2, int(ends[-1]) if len(ends) else 0, dtype=torch.int64)
            positions = torch.empty(edge_index.size(1), dtype=torch.int64)
            kernels.fill_induced(*arrays, edge_index.numpy(), positions.numpy())
        finally:
            self._place[nodes.numpy()] = -1
        return edge_index, positions

    def rows(self, nodes: Tensor, sample: Sample, edge_of: Tensor | None, graph: Data) -> BatchRows:
        """Returns the rows of a mini-batch that heads and objectives see.

        Args:
            nodes: The seed nodes of the mini-batch.
            sample: How the nodes were drawn.
            edge_of: The edge of the graph for each entry of ``incoming.col``; None: they are in the same order.
            graph: The graph.
        """
        edge_index, positions = self.among(nodes)
        e_id = _edges_of(edge_of, positions)
        weight = sample.edge_scale(edge_index)
        own = getattr(graph, "edge_weight", None)
        if own is not None:
            weight = weight * own.cpu().reshape(-1).index_select(0, e_id)
        return BatchRows(nodes, edge_index, weight, e_id, sample)


def _sampler(graph: Data, num_neighbors: Sequence[int]) -> NeighborSampler:
    incoming = incoming_of(graph.edge_index)
    return NeighborSampler(graph.edge_index if incoming is None else incoming, int(graph.num_nodes), num_neighbors)


def _in_degrees(sampler: NeighborSampler, graph: Data) -> Tensor:
    from eco_core.data.sampling import _kernels as kernels

    weight = getattr(graph, "edge_weight", None)
    if weight is None:
        of_edges = torch.empty(0)
    else:
        of_edges = weight.detach().cpu().reshape(-1)
        if sampler.edge_permutation is not None:
            of_edges = of_edges.index_select(0, sampler.edge_permutation)
    incoming, out = sampler.incoming, torch.empty(sampler.incoming.num_nodes)
    kernels.in_degrees(incoming.rowptr.numpy(), incoming.col.numpy(), of_edges.numpy(), out.numpy())
    return out


def _edges_of(edge_of: Tensor | None, positions: Tensor) -> Tensor:
    return positions if edge_of is None else edge_of.index_select(0, positions)


_OF_BATCHES = ("edge_index", "n_id", "rows", "num_nodes", "batch_size", "share", "edge_scale", "in_degree")
"""Attributes that are computed for each mini-batch, not copied from the graph."""

_NOT_IN_BATCHES = ("node_ids", "notes")
"""Lists that PyG would copy entry by entry. Mini-batches leave them out: ``n_id`` names the nodes of a mini-batch."""


class _Reader:
    """Reads the attributes of the nodes and edges of a mini-batch: features, weights, and the user's own attributes.

    As in PyG's loaders, of a tensor or an array with a row for each node or edge only the mini-batch's rows are taken;
    any other attribute is taken from the graph as it is.
    """

    def __init__(self, graph: Data) -> None:
        self._graph = graph
        keys = [key for key in graph.keys() if key != "x" and key not in _OF_BATCHES + _NOT_IN_BATCHES]  # noqa: SIM118
        rows = {key for key in keys if isinstance(graph[key], (Tensor, np.ndarray))}
        self._of_nodes = [key for key in keys if key in rows and graph.is_node_attr(key)]
        self._of_edges = [key for key in keys if key in rows and graph.is_edge_attr(key)]
        self._of_graph = [key for key in keys if key not in self._of_nodes + self._of_edges]
        self._sparse_x: Tensor | None = None
        if graph.x.layout is torch.sparse_coo:
            # Store the features by rows: to find some rows of a COO tensor, torch reads all entries.
            self._sparse_x = SparseFactor.of(graph.x).rows()

    def batch(self, nodes: Tensor, edge_index: Tensor, e_id: Tensor, seeds: int, rows: BatchRows, share: float) -> Data:
        device = self._graph.edge_index.device
        batch = Data(edge_index=edge_index, n_id=nodes, rows=rows).to(device)
        batch.x = self._features(batch.n_id)
        batch.num_nodes, batch.batch_size, batch.share = len(nodes), seeds, share
        for keys, index in ((self._of_nodes, nodes), (self._of_edges, e_id)):
            for key in keys:
                batch[key] = _selected(self._graph[key], index, self._graph.__cat_dim__(key, self._graph[key]))
        for key in self._of_graph:
            batch[key] = self._graph[key]
        return batch

    def _features(self, nodes: Tensor) -> Tensor:
        if self._sparse_x is None:
            return self._graph.x.index_select(0, nodes)
        return take_rows(self._sparse_x, nodes)


def _selected(values: Tensor | np.ndarray, index: Tensor, dim: int) -> Tensor | np.ndarray:
    if isinstance(values, Tensor):
        return values.index_select(dim, index.to(values.device))
    return values.take(index.cpu().numpy(), axis=dim)


__all__ = ["InducedEdges", "NeighborBatches", "SubgraphBatches"]
