"""Neighbour sampling without pyg-lib and torch-sparse: compiled, seeded, on several threads.

`NeighborSampler` implements the sampler interface of PyTorch Geometric, so that PyG's ``NodeLoader`` and ``LinkLoader``
take it, with ``Data`` and with feature and graph stores. `NeighborLoader` is a ready-to-use loader.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NegativeSampling, NodeSamplerInput, SamplerOutput
from torch_geometric.sampler.neighbor_sampler import edge_sample

from eco_core.errors import DataError, Problem
from eco_core.ops.csr import CSR, incoming_of
from eco_core.ops.random_walks import Neighbors, sorted_neighbors
from eco_core.ops.threads import number_of_threads, run_in_threads

_EDGES_A_THREAD = 2**15
"""Number of edges for each thread, about a millisecond of work. For fewer, another thread costs more than it saves."""


class NeighborSampler(BaseSampler):
    """Samples the neighbourhoods that a graph neural network reads (Hamilton et al., NeurIPS 2017, arXiv 1706.02216).

    From each seed node, edges are followed backwards, from targets to sources. Hop k samples up to ``num_neighbors[k]``
    edges to each node that the hop before has added. Seed nodes come first in a mini-batch. The samples depend on the
    random seed and on the number of earlier calls, not on the number of threads.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64, from sources to targets; or the edges of a graph on disk
            (`eco_core.data.on_disk.graph.OnDiskGraph.incoming`), which stay on disk.
        num_nodes: Number of nodes.
        num_neighbors: Number of neighbours of a node that are sampled in each hop; -1: all. Of a node with fewer
            neighbours, all are taken.
        replace: Whether a neighbour can be drawn several times.
        edge_weight: Weights of shape (num_edges,): edges are drawn in proportion to them. None: all edges are equally
            likely. The weights of a `CSR` are used only if they are also given here.
        seed: The random seed, any integer.

    Raises:
        ValueError: If ``num_neighbors`` is empty or has an entry that is neither positive nor -1.
        DataError: ECO303, if edges or weights are invalid.
    """

    def __init__(
        self,
        edge_index: Tensor | CSR,
        num_nodes: int,
        num_neighbors: Sequence[int],
        *,
        replace: bool = False,
        edge_weight: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        if not num_neighbors or any(count < 1 and count != -1 for count in num_neighbors):
            raise ValueError(
                f"num_neighbors is {list(num_neighbors)}; expected one positive number, or -1 for all, for each hop."
            )
        self.num_neighbors = list(num_neighbors)
        self.replace = replace
        # Flip the edges: the entries of a node are the sources of the edges that point to it.
        self._weight: Tensor | None = None
        self._order: Tensor | None = None
        if isinstance(edge_index, CSR):
            _check_csr(edge_index, num_nodes, edge_weight)
            self._incoming = Neighbors(edge_index.rowptr, edge_index.col)
            self._weight = edge_weight
        else:
            self._incoming, self._order = sorted_neighbors(edge_index.flip(0), num_nodes, edge_weight)
        self._generator = torch.Generator().manual_seed(seed)
        self._places: list[np.ndarray] = []

    @property
    def incoming(self) -> Neighbors:
        """The graph as the sources of the edges that point to each node."""
        return self._incoming

    def manual_seed(self, seed: int) -> None:
        """Resets the random generator.

        Args:
            seed: The random seed, any integer.
        """
        self._generator.manual_seed(seed)

    @property
    def edge_permutation(self) -> Tensor | None:
        """The edge of the graph for each edge of the sampler; None: they are in the same order."""
        return self._order

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """Samples the neighbourhood of nodes.

        Args:
            index: The seed nodes. A node may be listed several times.
            **kwargs: Not used.

        Returns:
            Nodes, seed nodes first; edges as pairs of positions in the nodes; numbers of nodes and edges of each hop.
        """
        out = self._sample(index.node)
        out.metadata = (index.input_id, index.time)
        return out

    def sample_from_edges(self, index: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None) -> SamplerOutput:
        """Samples the neighbourhoods of the ends of edges and, with ``neg_sampling``, of pairs that are not edges."""
        return edge_sample(index, self._sample, self._incoming.num_nodes, False, None, neg_sampling)

    def _sample(self, seeds: Tensor, *_: Any) -> SamplerOutput:
        seeds = seeds.long().cpu().contiguous()
        if seeds.numel() and not 0 <= int(seeds.min()) <= int(seeds.max()) < self._incoming.num_nodes:
            raise DataError(
                Problem(
                    "ECO303",
                    f"A seed is node {int(seeds.min())} or {int(seeds.max())}, but the graph has "
                    f"{self._incoming.num_nodes} nodes, numbered from 0.",
                    "Sample from nodes of the graph.",
                )
            )
        key = int(torch.randint(2**63 - 1, (), generator=self._generator))
        # Threads that sample at the same time need an array each; the arrays are kept for the next mini-batch.
        place = self._places.pop() if self._places else np.full(self._incoming.num_nodes, -1, dtype=np.int64)
        batch = _Batch(seeds, place)
        try:
            return self._sample_hops(batch, seeds, key)
        finally:
            batch.forget()
            self._places.append(place)

    def _sample_hops(self, batch: _Batch, seeds: Tensor, key: int) -> SamplerOutput:
        frontier = seeds
        nodes_per_hop, edges_per_hop = [batch.count], []
        rows, columns, edges = [], [], []
        begin = 0
        for hop, count in enumerate(self.num_neighbors):
            positions, counts = self.sample_hop(frontier, count, key, hop)
            before = batch.count
            rows.append(batch.add(self._neighbors_at(positions)))
            columns.append(torch.arange(begin, begin + frontier.numel()).repeat_interleave(counts))
            edges.append(positions)
            nodes_per_hop.append(batch.count - before)
            edges_per_hop.append(positions.numel())
            begin, frontier = before, batch.nodes(before)
        return SamplerOutput(
            node=batch.nodes(),
            row=torch.cat(rows),
            col=torch.cat(columns),
            edge=torch.cat(edges),
            num_sampled_nodes=nodes_per_hop,
            num_sampled_edges=edges_per_hop,
        )

    def _neighbors_at(self, positions: Tensor) -> Tensor:
        neighbors = self._incoming.col.index_select(0, positions).long()
        # The file may have changed since it was written, and compiled code does not check the bounds of arrays.
        if neighbors.numel() and not 0 <= int(neighbors.min()) <= int(neighbors.max()) < self._incoming.num_nodes:
            raise DataError(
                Problem(
                    "ECO302",
                    f"The edges name node {int(neighbors.min())} or {int(neighbors.max())}, but the graph has "
                    f"{self._incoming.num_nodes} nodes: the file of the edges is damaged.",
                    "'eco data info FOLDER --verify' names the damaged file; convert the graph again.",
                )
            )
        return neighbors

    def sample_hop(self, nodes: Tensor, count: int, key: int, hop: int = 0) -> tuple[Tensor, Tensor]:
        """Samples the edges that point to each of some nodes.

        Args:
            nodes: The nodes, shape (num_rows,), int64.
            count: Number of edges of a node that are sampled; -1: all.
            key: Seed of the random numbers. A node's samples depend on ``key``, ``hop`` and the node's position in
                ``nodes``.
            hop: Number of the hop, from 0.

        Returns:
            The position of each sampled edge in ``incoming.col``, int64, node by node; and the number of sampled edges
            of each node, (num_rows,).
        """
        from eco_core.data.sampling import _kernels as kernels

        ends = np.empty(nodes.numel(), dtype=np.int64)
        kernels.count_edges(self._incoming.rowptr.numpy(), nodes.numpy(), count, self.replace, ends)
        total = int(ends[-1]) if len(ends) else 0
        positions = torch.empty(total, dtype=torch.int64)
        threads = number_of_threads(total, _EDGES_A_THREAD)
        inner = np.searchsorted(ends, [total * part // threads for part in range(1, threads)])
        cumulative = np.empty(0) if self._incoming.cumulative is None else self._incoming.cumulative.numpy()
        weight = np.empty(0, np.float32) if self._weight is None else self._weight.numpy()
        rowptr, order, out = (part.numpy() for part in (self._incoming.rowptr, nodes, positions))
        arguments = (rowptr, cumulative, weight, order, count, self.replace, ends, out, np.uint64(key), hop)
        run_in_threads(kernels.sample_edges, arguments, [0, *map(int, inner), nodes.numel()])
        return positions, torch.from_numpy(ends).diff(prepend=torch.zeros(1, dtype=torch.int64))


class NeighborLoader(NodeLoader):
    """Mini-batches of sampled neighbourhoods, like PyG's loader of the same name, but without pyg-lib.

    Args:
        data: The graph, with ``edge_index``; or a graph on disk, of which only the rows of a mini-batch are read. Its
            ``node_ids`` and ``notes`` are not in the mini-batches: ``n_id`` names the nodes of a mini-batch.
        num_neighbors: Number of neighbours of a node that are sampled in each hop; -1: all.
        input_nodes: The seed nodes: node numbers, a mask, or None for all nodes.
        replace: Whether a neighbour can be drawn several times.
        weight_attr: Name of the edge weights in ``data``; edges are drawn in proportion to them. None: all edges are
            equally likely.
        seed: Seed of the sampling. PyTorch's ``DataLoader`` draws the order of the mini-batches.
        sampler: ``eco``, the sampler of this module, or ``pyg-lib``, PyG's own sampler, if that package is installed.
            PyG's sampler draws from PyTorch's generator, ignores ``seed``, and needs the edges as a tensor.
        **kwargs: Arguments of PyG's ``NodeLoader`` and of the ``DataLoader``: ``batch_size``, ``shuffle``,
            ``transform`` ...

    Raises:
        ImportError: If ``sampler`` is ``pyg-lib`` and the package is not installed.

    Example:
        >>> loader = NeighborLoader(graph, num_neighbors=[15, 10], batch_size=1024, shuffle=True)
        >>> for batch in loader:
        ...     z = encoder(batch.x, batch.edge_index)[: batch.batch_size]
    """

    def __init__(
        self,
        data: Data,
        num_neighbors: Sequence[int],
        input_nodes: Tensor | None = None,
        *,
        replace: bool = False,
        weight_attr: str | None = None,
        seed: int = 0,
        sampler: Literal["eco", "pyg-lib"] = "eco",
        **kwargs: Any,
    ) -> None:
        if sampler not in ("eco", "pyg-lib"):
            raise ValueError(f"sampler is {sampler!r}; it must be eco or pyg-lib.")
        node_sampler: BaseSampler
        if sampler == "pyg-lib":
            node_sampler = _pyg_lib_sampler(data, num_neighbors, replace, weight_attr)
        else:
            weight = None if weight_attr is None else getattr(data, weight_attr)
            incoming = incoming_of(data.edge_index)
            edges = data.edge_index if incoming is None else incoming
            node_sampler = NeighborSampler(
                edges, int(data.num_nodes), num_neighbors, replace=replace, edge_weight=weight, seed=seed
            )
        # PyG takes any list with as many entries as nodes for a node attribute, and fails to select its rows.
        data = copy.copy(data)
        for key in ("node_ids", "notes"):
            if key in data:
                del data[key]
        super().__init__(data, node_sampler=node_sampler, input_nodes=input_nodes, **kwargs)


def _pyg_lib_sampler(data: Data, num_neighbors: Sequence[int], replace: bool, weight_attr: str | None) -> BaseSampler:
    from torch_geometric import sampler, typing

    if not typing.WITH_PYG_LIB:
        raise ImportError(
            "sampler is 'pyg-lib', but pyg-lib is not installed. Install it, or leave sampler out: the default sampler "
            "does not need it."
        )
    return sampler.NeighborSampler(data, list(num_neighbors), replace=replace, weight_attr=weight_attr)


class _Batch:
    """The nodes of a mini-batch, numbered in the order of their first occurrence.

    Args:
        seeds: The seed nodes, which come first. If a seed node is repeated, edges lead to its first position.
        place: The number of each node of the graph in the mini-batch; -1: none yet. `forget` resets it to -1.
    """

    def __init__(self, seeds: Tensor, place: np.ndarray) -> None:
        self.count = seeds.numel()
        self._nodes = seeds.numpy().copy()
        self._place = place
        place[self._nodes[::-1]] = np.arange(self.count)[::-1]

    def nodes(self, first: int = 0) -> Tensor:
        """The nodes from number ``first`` on."""
        return torch.from_numpy(self._nodes[first : self.count])

    def add(self, neighbors: Tensor) -> Tensor:
        """Returns the number of each node; new nodes get new numbers."""
        from eco_core.data.sampling import _kernels as kernels

        known = self._nodes[: self.count]
        self._nodes = np.empty(self.count + neighbors.numel(), np.int64)
        self._nodes[: self.count] = known
        local = torch.empty_like(neighbors)
        self.count = kernels.relabel(neighbors.numpy(), self._place, self._nodes, self.count, local.numpy())
        return local

    def forget(self) -> None:
        """Removes the numbers of all nodes."""
        self._place[self._nodes[: self.count]] = -1


def _check_csr(csr: CSR, num_nodes: int, edge_weight: Tensor | None) -> None:
    for found, expected, what in (
        (num_nodes, csr.num_nodes, "nodes"),
        (csr.col.numel() if edge_weight is None else edge_weight.numel(), csr.col.numel(), "edge weights"),
    ):
        if found != expected:
            raise DataError(
                Problem(
                    "ECO303",
                    f"{found} {what} were given for a graph with {expected}.",
                    f"Give the {what} of the graph.",
                )
            )


__all__ = ["NeighborLoader", "NeighborSampler"]
