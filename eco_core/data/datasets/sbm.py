"""The attributed stochastic block model, a synthetic data set of any size."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.errors import Problem, SpecError


def sbm(
    num_nodes: int = 1000,
    n_blocks: int = 5,
    num_features: int = 32,
    average_degree: float = 10.0,
    mixing: float = 0.1,
    feature_signal: float = 1.0,
    feature_noise: float = 1.0,
    sparse: bool = False,
    density: float = 0.05,
    seed: int = 0,
) -> Data:
    """An attributed stochastic block model of any size, generated in time and memory proportional to its edges.

    The sizes of the blocks differ by at most one node, and the nodes are in random order. The numbers of edges inside
    and between blocks are fixed (the microcanonical form of the model). Edges inside blocks are drawn uniformly
    from all pairs of nodes of the same block, edges between blocks from all pairs of nodes of different blocks.

    Args:
        num_nodes: Number of nodes.
        n_blocks: Number of blocks; also the declared number of classes.
        num_features: Number of features.
        average_degree: Average number of edges of a node; each edge counts at both of its ends.
        mixing: Fraction of the edges that join different blocks: 0 separates the blocks; a graph without block
            structure has about ``1 - 1 / n_blocks``.
        feature_signal: Standard deviation of the blocks' feature means (dense), or weight of the words of the block's
            own topic (sparse).
        feature_noise: Standard deviation of the nodes' features around the mean of their block (dense), or weight of
            words from the whole vocabulary (sparse).
        sparse: Whether the features are a bag of words, binary and sparse COO, instead of dense and Gaussian. Each
            block then has a topic: its own part of the vocabulary.
        density: For sparse features, the number of words drawn for a node, as a fraction of the vocabulary. A word
            drawn twice counts once, so the density of ``x`` is at most this.
        seed: The random seed. The edges depend only on the seed and on the parameters of the edges.

    Returns:
        ``x`` ``(num_nodes, num_features)``; ``edge_index`` sorted, both directions, no self-loops, no duplicates; ``y``
        the block of each node; ``n_classes``.

    Raises:
        SpecError: ECO104, with a problem for every invalid parameter.
    """
    sizes = _checked_sbm(
        num_nodes, n_blocks, num_features, average_degree, mixing, feature_signal, feature_noise, density, seed
    )
    edge_stream, feature_stream = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    order, keys = _drawn_edges(edge_stream, sizes, average_degree, mixing)
    y = np.empty(num_nodes, dtype=np.int64)
    y[order] = np.repeat(np.arange(n_blocks), sizes)
    if sparse:
        x = _words(feature_stream, y, n_blocks, num_features, feature_signal, feature_noise, density)
    else:
        means = feature_stream.standard_normal((n_blocks, num_features), dtype=np.float32) * np.float32(feature_signal)
        noise = feature_stream.standard_normal((num_nodes, num_features), dtype=np.float32)
        x = torch.from_numpy(means[y] + np.float32(feature_noise) * noise)
    edge_index = torch.from_numpy(np.stack([keys // num_nodes, keys % num_nodes]))
    return Data(x=x, edge_index=edge_index, y=torch.from_numpy(y), n_classes=n_blocks, name="sbm")


def _drawn_edges(
    edge_stream: np.random.Generator, sizes: np.ndarray, average_degree: float, mixing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the nodes in the order of their blocks, and the sorted keys source * num_nodes + target of the edges."""
    num_nodes = int(sizes.sum())
    starts = np.concatenate([[0], np.cumsum(sizes)])
    inside, between = _edge_counts(num_nodes, average_degree, mixing)
    within_block = sizes * (sizes - 1) // 2
    rest = num_nodes - starts[1:]
    source_in, target_in = _pairs_within(
        _distinct(edge_stream, int(within_block.sum()), inside), within_block, sizes, starts
    )
    source_out, target_out = _pairs_between(
        _distinct(edge_stream, int((sizes * rest).sum()), between), sizes, rest, starts
    )
    order = edge_stream.permutation(num_nodes)
    source = order[np.concatenate([source_in, source_out])]
    target = order[np.concatenate([target_in, target_out])]
    keys = np.sort(np.concatenate([source * num_nodes + target, target * num_nodes + source]))
    return order, keys


def _edge_counts(num_nodes: int, average_degree: float, mixing: float) -> tuple[int, int]:
    total = round(num_nodes * average_degree / 2)
    between = round(total * mixing)
    return total - between, between


def _checked_sbm(
    num_nodes: int,
    n_blocks: int,
    num_features: int,
    average_degree: float,
    mixing: float,
    feature_signal: float,
    feature_noise: float,
    density: float,
    seed: int,
) -> np.ndarray:
    """Checks all parameters; returns the sizes of the blocks, int64 ``(n_blocks,)``."""
    checks = [
        ("num_nodes", num_nodes, num_nodes >= 1, "1 or more"),
        ("n_blocks", n_blocks, 1 <= n_blocks <= max(num_nodes, 1), f"1 to num_nodes ({num_nodes})"),
        ("num_features", num_features, num_features >= 1, "1 or more"),
        ("average_degree", average_degree, 0 <= average_degree < float("inf"), "0 or more"),
        ("mixing", mixing, 0 <= mixing <= 1, "a share of the edges, 0 to 1"),
        ("feature_signal", feature_signal, 0 <= feature_signal < float("inf"), "0 or more"),
        ("feature_noise", feature_noise, 0 <= feature_noise < float("inf"), "0 or more"),
        ("density", density, 0 < density <= 1, "a share of the features, above 0, at most 1"),
        ("seed", seed, seed >= 0, "0 or more"),
    ]
    problems = [
        Problem("ECO104", f"Parameter {name!r} of data set 'sbm' is {value!r}; expected {expected}.")
        for name, value, valid, expected in checks
        if not valid
    ]
    if problems:
        raise SpecError(*problems)
    sizes = np.full(n_blocks, num_nodes // n_blocks, dtype=np.int64)
    sizes[: num_nodes % n_blocks] += 1
    inside, between = _edge_counts(num_nodes, average_degree, mixing)
    room_inside = int((sizes * (sizes - 1) // 2).sum())
    room_between = num_nodes * (num_nodes - 1) // 2 - room_inside
    for wanted, room, where in ((inside, room_inside, "inside"), (between, room_between, "between")):
        if wanted > room:
            problems.append(
                Problem(
                    "ECO104",
                    f"Data set 'sbm': average_degree={average_degree} and mixing={mixing} ask for {wanted:,} "
                    f"edges {where} blocks, but {n_blocks} blocks of {num_nodes:,} nodes have room for {room:,}.",
                    "Lower average_degree, or change mixing or n_blocks.",
                )
            )
    if problems:
        raise SpecError(*problems)
    return sizes


def _distinct(generator: np.random.Generator, upper: int, number: int) -> np.ndarray:
    """Draws `number` distinct integers below `upper`, uniformly, in memory proportional to `number`."""
    if number == 0:
        return np.zeros(0, dtype=np.int64)
    if number > upper // 4:
        return generator.permutation(upper)[:number].astype(np.int64, copy=False)
    chosen = np.unique(generator.integers(0, upper, size=number))
    while len(chosen) < number:
        # Draw more than are missing, so that few rounds are needed. The surplus is dropped at random to stay uniform.
        extra = generator.integers(0, upper, size=2 * (number - len(chosen)) + 16)
        chosen = np.union1d(chosen, extra)
    return chosen if len(chosen) == number else generator.permutation(chosen)[:number]


def _pairs_within(
    numbers: np.ndarray, pairs: np.ndarray, sizes: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turns numbers of pairs inside blocks into the two nodes of each pair.

    On a circle of n nodes every pair lies at a distance d of 1 to n/2: number ``(d - 1) n + i`` is the pair ``i, i +
    d``. For even n the last distance has n/2 pairs, so that there are n(n-1)/2 pairs in all. The computation uses only
    integers, so it is exact for any n.
    """
    offsets = np.concatenate([[0], np.cumsum(pairs)])
    block = np.searchsorted(offsets, numbers, side="right") - 1
    distance, first = np.divmod(numbers - offsets[block], sizes[block])
    second = (first + distance + 1) % sizes[block]
    return starts[block] + first, starts[block] + second


def _pairs_between(
    numbers: np.ndarray, sizes: np.ndarray, rest: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turns numbers of pairs between blocks into the two nodes: one of a block, the other of a later block."""
    offsets = np.concatenate([[0], np.cumsum(sizes * rest)])
    block = np.searchsorted(offsets, numbers, side="right") - 1
    first, second = np.divmod(numbers - offsets[block], rest[block])
    return starts[block] + first, starts[block + 1] + second


def _words(
    generator: np.random.Generator,
    y: np.ndarray,
    n_blocks: int,
    num_features: int,
    signal: float,
    noise: float,
    density: float,
) -> Tensor:
    """Draws a binary bag of words per node: from the block's topic or from the whole vocabulary."""
    per_node = max(1, round(density * num_features))
    bounds = np.arange(n_blocks + 1) * num_features // n_blocks
    topic_size = np.maximum(np.diff(bounds), 1)
    topic_start = np.minimum(bounds[:-1], num_features - topic_size)
    block = y[:, None]
    uniform = generator.random((len(y), per_node))
    own = (topic_start[block] + (uniform * topic_size[block]).astype(np.int64)).clip(max=num_features - 1)
    anywhere = generator.integers(0, num_features, size=(len(y), per_node))
    share = signal / (signal + noise) if signal + noise > 0 else 0.0
    words = np.where(generator.random((len(y), per_node)) < share, own, anywhere)
    keys = np.unique(np.arange(len(y), dtype=np.int64)[:, None] * num_features + words)
    indices = torch.from_numpy(np.stack([keys // num_features, keys % num_features]))
    return torch.sparse_coo_tensor(
        indices, torch.ones(len(keys)), (len(y), num_features), is_coalesced=True, check_invariants=False
    )
