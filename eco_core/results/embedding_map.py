"""A map of the embeddings: a position in the plane for every node, or for a sample of many nodes.

The positions come from the embeddings alone; neither clusters nor labels are used. Principal components give the
coarse layout. Neighbours then pull on each other and other nodes push away (the forces of UMAP, McInnes et al. 2018),
for at most a few thousand landmarks; other nodes are placed among their nearest landmarks.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOST_POINTS = 100_000
_LANDMARKS = 3_000
_NEIGHBOURS = 15
_DIMENSIONS = 32
_EPOCHS = 250
_NEGATIVES = 4
_BLOCK_ENTRIES = 1 << 21


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Positions of nodes in the plane.

    Attributes:
        method: How the positions were found, in a sentence.
        xy: Positions of shape (points, 2), uint16, over the whole range in the longer direction.
        rows: The nodes of the points, shape (points,), int32; None: all nodes in order.
    """

    method: str
    xy: NDArray[np.uint16]
    rows: NDArray[np.int32] | None = None

    def document(self) -> dict[str, Any]:
        """Returns the map as plain data; arrays are little-endian bytes in base 64."""
        rows = None if self.rows is None else _text(self.rows.astype("<i4"))
        return {"method": self.method, "xy": _text(self.xy.astype("<u2")), "rows": rows}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> EmbeddingMap:
        """Reads what `document` returned.

        Args:
            document: The plain data.
        """
        xy = np.frombuffer(base64.b64decode(document["xy"]), "<u2").reshape(-1, 2)
        rows = document["rows"]
        return cls(document["method"], xy, None if rows is None else np.frombuffer(base64.b64decode(rows), "<i4"))


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def embedding_map(embedding: Tensor, *, seed: int = 0, most: int = MOST_POINTS) -> EmbeddingMap:
    """Lays embeddings out in the plane.

    Args:
        embedding: Shape (num_nodes, width).
        seed: Seed of samples and forces; global random numbers are neither read nor changed.
        most: Largest number of points; of more nodes, a sample is drawn.

    Returns:
        The positions.
    """
    random = np.random.default_rng(seed)
    z, rows = embedding.detach().cpu(), None
    if len(z) > most:
        rows = np.sort(random.choice(len(z), most, replace=False)).astype(np.int32)
        z = z[torch.from_numpy(rows.astype(np.int64))]
    points = _principal(torch.nan_to_num(z.float()), seed)
    sampled = "" if rows is None else f" A sample of {most:,} of {len(embedding):,} nodes."
    if len(points) <= 2 * _NEIGHBOURS or points.shape[1] < 3:
        return EmbeddingMap(f"The first two principal components of the embeddings.{sampled}", _quantised(points), rows)
    xy = _neighbour_layout(points, seed, random)
    return EmbeddingMap(f"Nodes with similar embeddings lie close to each other.{sampled}", _quantised(xy), rows)


def _principal(z: Tensor, seed: int) -> NDArray[np.float32]:
    """Normalised rows in their leading principal components: (num_nodes, at most 32)."""
    if not len(z):
        return np.zeros((0, 2), np.float32)
    if z.shape[1] > 2:
        z = torch.nn.functional.normalize(z, dim=1)
    z = z - z.mean(dim=0)
    width = min(_DIMENSIONS, *z.shape)
    if z.shape[1] <= 512:
        _, vectors = torch.linalg.eigh((z.T @ z).double())
        return (z @ vectors.flip(1)[:, :width].float()).numpy()
    from sklearn.utils.extmath import randomized_svd

    left, values, _ = randomized_svd(z.numpy(), width, n_iter=2, random_state=seed)
    return np.ascontiguousarray(left * values, dtype=np.float32)


def _neighbour_layout(points: NDArray[np.float32], seed: int, random: np.random.Generator) -> NDArray[np.float32]:
    landmarks = np.arange(len(points))
    if len(points) > _LANDMARKS:
        landmarks = np.sort(random.choice(len(points), _LANDMARKS, replace=False))
    chosen = np.ascontiguousarray(points[landmarks])
    neighbours, distances = _nearest(chosen, chosen, _NEIGHBOURS + 1)
    source, target, weight = _edges(neighbours, distances)
    start = chosen[:, :2] / max(float(np.abs(chosen[:, :2]).max()), 1e-12) * 10
    placed = _pull_and_push(start.astype(np.float32), source, target, weight, seed)
    if len(landmarks) == len(points):
        return placed
    near, far = _nearest(points, chosen, 4)
    closeness = 1 / (far + 1e-3 * float(far.mean()) + 1e-12) ** 2
    shares = (closeness / closeness.sum(1, keepdims=True))[:, :, None]
    spread = 0.15 * random.standard_normal((len(points), 2))
    return ((placed[near] * shares).sum(1) + spread).astype(np.float32)


def _nearest(
    points: NDArray[np.float32], others: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest of some points, in blocks: their numbers and distances, each (points, count), nearest first."""
    these, those = torch.from_numpy(np.ascontiguousarray(points)), torch.from_numpy(others)
    squares, count = those.square().sum(1), min(count, len(others))
    # Everything is written into the same memory: small results between large freed ones would keep all of it.
    step = max(1, _BLOCK_ENTRIES // len(others))
    buffer = torch.empty(min(step, len(these)), len(others))
    numbers, distances = torch.empty(len(these), count, dtype=torch.int64), torch.empty(len(these), count)
    for first in range(0, len(these), step):
        part = slice(first, first + step)
        block = these[part]
        square = torch.addmm(squares, block, those.T, alpha=-2, out=buffer[: len(block)])
        torch.topk(square, count, largest=False, out=(distances[part], numbers[part]))
    distances += these.square().sum(1, keepdim=True)
    return numbers.numpy(), distances.clamp_(min=0).sqrt_().numpy()


def _edges(neighbours: NDArray[np.int64], distances: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
    """Neighbours as weighted edges: weight 1 for the nearest, less the farther they are, both directions joined."""
    import scipy.sparse as sp

    count, width = neighbours.shape
    near = distances[:, 1:2]
    scale = np.maximum((distances - near).mean(1, keepdims=True), 1e-6)
    weight = np.exp(-np.maximum(distances - near, 0) / scale)
    rows = np.repeat(np.arange(count), width)
    columns = neighbours.ravel()
    kept = rows != columns
    one_way = sp.coo_matrix((weight.ravel()[kept], (rows[kept], columns[kept])), (count, count)).tocsr()
    both = (one_way + one_way.T - one_way.multiply(one_way.T)).tocoo()
    return both.row.astype(np.int64), both.col.astype(np.int64), both.data.astype(np.float32)


def _pull_and_push(
    start: NDArray[np.float32], source: NDArray[Any], target: NDArray[Any], weight: NDArray[Any], seed: int
) -> NDArray[np.float32]:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.from_numpy(start.copy())
    rows, columns = torch.from_numpy(source), torch.from_numpy(target)
    chance = torch.from_numpy(weight / max(float(weight.max()), 1e-12))
    for epoch in range(_EPOCHS):
        rate = 1.0 - epoch / _EPOCHS
        chosen = torch.rand(len(chance), generator=generator) < chance
        i, j = rows[chosen], columns[chosen]
        apart = xy[i] - xy[j]
        square = apart.square().sum(1, keepdim=True)
        pull = -2 / (1 + square)  # UMAP's forces with a = b = 1, which need no powers.
        step = torch.zeros_like(xy).index_add_(0, i, (pull * apart).clamp(-4, 4))
        i = i.repeat(_NEGATIVES)
        j = torch.randint(len(xy), i.shape, generator=generator)
        apart = xy[i] - xy[j]
        square = apart.square().sum(1, keepdim=True)
        push = 2 / ((0.001 + square) * (1 + square))
        step.index_add_(0, i, (push * apart).clamp(-4, 4))
        xy += rate * step.clamp(-8, 8)
    return xy.numpy()


def _quantised(points: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Positions as whole numbers from 0 to 65535, the same scale in both directions."""
    xy = np.zeros((len(points), 2))
    xy[:, : min(2, points.shape[1])] = points[:, :2]
    if not len(xy):
        return xy.astype(np.uint16)
    # A few far points must not press all others into a corner.
    low, high = np.quantile(xy, 0.001, axis=0), np.quantile(xy, 0.999, axis=0)
    margin = 0.06 * (high - low) + 1e-12
    xy = np.clip(xy, low - margin, high + margin)
    low, high = xy.min(axis=0), xy.max(axis=0)
    scale = max(float((high - low).max()), 1e-12)
    centred = 0.5 + (xy - (low + high) / 2) / scale
    return np.clip(np.rint(centred * 65535), 0, 65535).astype(np.uint16)


__all__ = ["MOST_POINTS", "EmbeddingMap", "embedding_map"]
