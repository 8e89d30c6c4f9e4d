"""Measures sampling on a graph on disk: neighbourhoods with and without local numbers, batches, and random walks."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch_geometric.sampler import NodeSamplerInput

from benchmarks.side_by_side import memory
from eco_core.data import open_graph
from eco_core.data.sampling.batches import NeighborBatches
from eco_core.data.sampling.neighbors import NeighborSampler
from eco_core.ops.random_walks import Neighbors, random_walks

_BATCH, _NUM_NEIGHBORS, _LENGTH = 1024, (15, 10), 20


def measure(folder: str, batches: int) -> dict[str, float]:
    """Returns rates, each the best of three rounds, because other programs may use the machine, too.

    Args:
        folder: Folder of the graph.
        batches: Number of batches of a round.
    """
    graph = open_graph(folder)
    incoming = graph.incoming
    if incoming is None:
        raise ValueError(f"The graph in {folder} has no edges sorted by target.")
    start = time.perf_counter()
    sampler = NeighborSampler(incoming, int(graph.num_nodes), _NUM_NEIGHBORS)
    ready = time.perf_counter() - start
    order = torch.randperm(int(graph.num_nodes), generator=torch.Generator().manual_seed(0))
    seeds = order.repeat(math.ceil(4 * batches * _BATCH / len(order))).split(_BATCH)
    # Read the edges once, so that the disk is not measured.
    np.add.reduce(incoming.col.numpy(), dtype=np.int64)

    def neighbourhoods(first: int) -> int:
        chosen = seeds[first : first + batches]
        outs = [sampler.sample_from_nodes(NodeSamplerInput(None, nodes)) for nodes in chosen]
        return sum(sum(out.num_sampled_edges) for out in outs)

    def edges_alone(first: int) -> int:
        return sum(_edges_alone(sampler, nodes, number) for number, nodes in enumerate(seeds[first : first + batches]))

    walkers = Neighbors(incoming.rowptr, incoming.col)

    def walks(first: int) -> int:
        starts = torch.cat(seeds[first : first + batches])
        return int(random_walks(walkers, starts, _LENGTH)[:, 1:].numel())

    loader = NeighborBatches(graph, list(_NUM_NEIGHBORS), _BATCH)

    def whole_batches(_: int) -> int:
        return sum(batch.batch_size for batch in itertools.islice(loader, batches // 4))

    rates = {
        "edges_per_second_with_local_numbers": _rate(neighbourhoods, batches),
        "edges_per_second": _rate(edges_alone, batches),
        "walk_steps_per_second": _rate(walks, batches),
        "seeds_per_second_in_whole_batches": _rate(whole_batches, batches),
    }
    return {"seconds_until_ready": ready, **rates}


def _edges_alone(sampler: NeighborSampler, nodes: torch.Tensor, key: int) -> int:
    """Samples edges hop by hop; the next hop starts at all sampled neighbours, with repetitions."""
    total = 0
    for hop, count in enumerate(_NUM_NEIGHBORS):
        positions, _ = sampler.sample_hop(nodes, count, key, hop)
        nodes = sampler.incoming.col.index_select(0, positions).long()
        total += positions.numel()
    return total


def _rate(work: Callable[[int], int], batches: int) -> float:
    work(0)  # Compiles.
    best = 0.0
    for number in range(1, 4):
        start = time.perf_counter()
        done = work(number * batches)
        best = max(best, done / (time.perf_counter() - start))
    return best


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line: prints one JSON document."""
    parser = argparse.ArgumentParser(prog="sampling", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--memory-limit", type=float, metavar="GIB")
    options: Any = parser.parse_args(words)
    if options.memory_limit is not None:
        memory.limit(options.memory_limit)
    torch.set_num_threads(options.threads)
    print(json.dumps(measure(options.folder, options.batches)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
