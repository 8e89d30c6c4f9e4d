"""Losses over all pairs of nodes, in blocks of rows: time O(N^2 d), memory O(N d) plus one block, never (N x N).

A similarity matrix is computed block by block and thrown away. If the gradient of an entry depends on this entry alone,
the gradient is added up in the same pass. Otherwise the blocks are computed a second time for the gradient, unless
there are so few nodes that all blocks can be kept.

A set of pairs (the edges of a graph, the positive pairs of a contrast) is a sparse symmetric matrix, made once for each
graph: see `pair_matrix`. Sums over it are sparse products.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.csr import csr_matrix, rows_of
from eco_core.ops.propagation import propagate

_BLOCK_ENTRIES = {"cpu": 1 << 20}
"""Entries of a block, by device: 4 MB in single precision, about a processor's cache; elsewhere 2^26."""

_MIN_ROWS = 64
"""Least number of rows of a block: with fewer, matrix products no longer run at full speed."""

_KEPT_BYTES = 1 << 27
"""Up to this size the exponentials of all pairs are kept for the gradient: up to 8192 nodes, each pair once."""

_SAFE_EXPONENT = 60.0
"""Exponents up to this need no shift: neither they nor a sum of a billion of them overflow single precision."""


# ------------------------------------------------------------------------------------------------- pairs of nodes


def pair_matrix(pairs: Tensor, num_nodes: int, weight: Tensor | None = None) -> Tensor:
    r"""Makes the symmetric matrix :math:`Q = (M + M^T) / 2` of a set of pairs, where M holds their weights.

    The weights of equal pairs add up; pairs of a node with itself are left out. For any matrix S,
    :math:`\sum_{ij} Q_{ij} S_{ij}` is the sum of :math:`(S_{ij} + S_{ji}) / 2` over the pairs.

    Args:
        pairs: Nodes of shape (2, num_pairs), dtype int64.
        num_nodes: Number of nodes.
        weight: Weights of shape (num_pairs,), of which no gradient is taken; None: all 1.

    Returns:
        Sparse CSR tensor of shape (num_nodes, num_nodes), on the device of the pairs, with the dtype of the weights and
        in single precision at least.
    """
    kept = (pairs[0] != pairs[1]).nonzero().squeeze(1)
    pairs = pairs.index_select(1, kept)
    values = torch.full((kept.numel(),), 0.5, dtype=torch.float32, device=pairs.device)
    if weight is not None:
        values = values * weight.detach().reshape(-1).index_select(0, kept)
    row, column = torch.cat([pairs, pairs.flip(0)], dim=1)
    return csr_matrix(row, column, values.repeat(2), (num_nodes, num_nodes))


class _PairSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, matrix: Tensor, same: bool) -> Tensor:
        product = propagate(matrix, right)
        ctx.save_for_backward(left, matrix, product)
        ctx.same = same
        return (left * product).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        left, matrix, product = ctx.saved_tensors
        of_left = grad * product if ctx.needs_input_grad[0] else None
        of_right = None
        if ctx.needs_input_grad[1]:
            # The matrix is symmetric: its product with the same table is the same product.
            of_right = grad * (product if ctx.same else propagate(matrix, left))
        return of_left, of_right, None, None


def pair_sum(left: Tensor, right: Tensor, matrix: Tensor) -> Tensor:
    r"""Returns the weighted sum of inner products over pairs of nodes, :math:`\sum_{ij} Q_{ij} \, l_i^T r_j`.

    Args:
        left: Embeddings of shape (num_nodes, width).
        right: Embeddings of the same shape; if ``right is left``, one sparse product is saved.
        matrix: Symmetric matrix Q of shape (num_nodes, num_nodes), from `pair_matrix`, of which no gradient is taken.

    Returns:
        A scalar, in single precision at least. It can be differentiated once, by both embeddings.
    """
    same = left is right
    left, right = _wide(left), _wide(right)
    return _PairSum.apply(left, right, matrix, same)


# -------------------------------------------------------------------------------- mean sigmoid of pairs not linked


class LinkedPairs(NamedTuple):
    """Which pairs of nodes are linked, for losses over the others; made by `linked_pairs`, once for each graph.

    Attributes:
        matrix: Symmetric weights of the links, from `pair_matrix`.
        rows: Number of rows of a block (of the last one: at most).
        taken: For each block of rows, the positions in the block of linked pairs and of pairs of a node with itself.
        num_rows: Number of rows of the pairs: all nodes, or the anchors.
        num_others: Number of ordered pairs of two nodes that are not linked; for anchors, the expected number.
    """

    matrix: Tensor
    rows: int
    taken: tuple[Tensor, ...]
    num_rows: int
    num_others: float

    def of_anchors(self, anchors: Tensor) -> LinkedPairs:
        """Returns the links of some nodes, drawn at random, for an unbiased estimate of a mean over all pairs.

        Args:
            anchors: Nodes of shape (num_anchors,), int64, drawn uniformly.
        """
        starts, columns = self.matrix.crow_indices(), self.matrix.col_indices()
        counts = starts.diff()[anchors]
        row = torch.repeat_interleave(torch.arange(anchors.numel(), device=anchors.device), counts)
        # The entries of the anchors' rows, one row after the other.
        entry = torch.arange(row.numel(), device=row.device) - (counts.cumsum(0) - counts)[row] + starts[anchors][row]
        num_nodes = self.matrix.size(0)
        rows, taken = _taken_in_blocks(row, columns[entry], anchors, num_nodes, self.rows)
        expected = self.num_others * anchors.numel() / num_nodes
        return LinkedPairs(self.matrix, rows, taken, anchors.numel(), expected)


def linked_pairs(
    edge_index: Tensor, num_nodes: int, edge_weight: Tensor | None = None, *, block_rows: int | None = None
) -> LinkedPairs:
    """Sorts edges for `mean_sigmoid_of_others` and `pair_sum`.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64. An edge links its nodes in both directions; parallel
            edges link them once, but their weights add up; loops link nothing.
        num_nodes: Number of nodes.
        edge_weight: Weights of shape (num_edges,); None: all 1.
        block_rows: Rows of a block of pairs, also of anchors; None: as many as have 2^20 entries on the CPU and 2^26
            elsewhere, but 64 at least.
    """
    matrix = pair_matrix(edge_index, num_nodes, edge_weight)
    nodes = torch.arange(num_nodes, device=edge_index.device)
    if block_rows is None:
        block_rows = _rows_of_block(num_nodes, edge_index.device)
    rows, taken = _taken_in_blocks(rows_of(matrix), matrix.col_indices(), nodes, num_nodes, block_rows)
    num_others = num_nodes**2 - num_nodes - matrix.values().numel()
    return LinkedPairs(matrix, rows, taken, num_nodes, num_others)


def _taken_in_blocks(
    row: Tensor, column: Tensor, own: Tensor, num_nodes: int, block_rows: int
) -> tuple[int, tuple[Tensor, ...]]:
    """Returns the rows of a block, and for each block the positions of the linked pairs and of each row's own node.

    Args:
        row: Rows of the linked pairs, of shape (num_pairs,).
        column: Their columns.
        own: The node of each row, of shape (num_rows,).
        num_nodes: Number of columns.
        block_rows: Rows of a block at most.
    """
    num_rows = own.numel()
    linked, itself = row * num_nodes + column, torch.arange(num_rows, device=own.device) * num_nodes + own
    taken = torch.cat([linked, itself]).sort().values
    rows = max(1, min(num_rows, block_rows))
    starts = torch.arange(0, num_rows, rows, device=taken.device)
    sizes = torch.bincount(taken // (rows * num_nodes), minlength=starts.numel()) if num_rows else starts
    return rows, tuple(part % (rows * num_nodes) for part in taken.split(sizes.tolist()))


class _MeanSigmoid(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, links: LinkedPairs, shift: float, temperature: float, training: bool
    ) -> Tensor:
        num_rows, num_nodes = left.size(0), right.size(0)
        needed = [training and needs for needs in ctx.needs_input_grad[:2]]
        of_left = torch.zeros_like(left) if needed[0] else None
        of_right = torch.zeros_like(right) if needed[1] else None
        total = left.new_zeros((), dtype=torch.float64)
        scaled, right_t = left / temperature, right.T
        buffer = left.new_empty(links.rows * num_nodes)
        for rows, taken in zip(_blocks(num_rows, links.rows), links.taken, strict=True):
            block = _similarities(scaled[rows], right_t, buffer)
            block.sub_(shift / temperature).sigmoid_()
            # Pairs that do not count become 0: they add nothing to the sum, nor to the gradient below.
            block.view(-1).index_fill_(0, taken, 0.0)
            total += block.sum()
            if any(needed):
                torch.addcmul(block, block, block, value=-1.0, out=block)
            if of_left is not None:
                torch.mm(block, right, out=of_left[rows])
            if of_right is not None:
                of_right.addmm_(block.T, left[rows])
        count = max(1, links.num_others)
        ctx.save_for_backward(*(table for table in (of_left, of_right) if table is not None))
        ctx.needed, ctx.scale = needed, 1.0 / (temperature * count)
        return (total / count).to(left.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tables = iter(ctx.saved_tensors)
        scale = grad * ctx.scale
        of_left, of_right = (scale * next(tables) if needs else None for needs in ctx.needed)
        return of_left, of_right, None, None, None, None


def mean_sigmoid_of_others(
    left: Tensor, right: Tensor, links: LinkedPairs, shift: float = 0.0, temperature: float = 1.0
) -> Tensor:
    r"""Returns the mean of a sigmoid of similarities, over all pairs of two nodes that are not linked.

    .. math::
        \frac{1}{|P|} \sum_{(i, j) \in P} \sigma \left( \frac{l_i^T r_j - s}{\tau} \right), \qquad
        P = \{(i, j) : i \ne j, \; i \text{ and } j \text{ are not linked}\}

    One pass over blocks of rows computes the sum and, if needed, the gradient.

    Args:
        left: Embeddings l of shape (num_nodes, width), or of the anchors, of shape (num_anchors, width).
        right: Embeddings r of shape (num_nodes, width).
        links: From `linked_pairs`; from `LinkedPairs.of_anchors` for an estimate from some rows of the pairs.
        shift: The similarity s whose sigmoid is 1/2.
        temperature: The temperature tau, above 0.

    Returns:
        A scalar, in single precision at least; 0 where all nodes are linked. It can be differentiated once.

    Raises:
        ValueError: The links have another number of nodes.
    """
    if (left.size(0), right.size(0)) != (links.num_rows, links.matrix.size(0)):
        raise ValueError(
            f"The embeddings have {left.size(0)} and {right.size(0)} rows, but the links were made for "
            f"{links.num_rows} and {links.matrix.size(0)} nodes. Give linked_pairs(edge_index, {right.size(0)}) of the "
            "same graph."
        )
    left, right = _wide(left), _wide(right)
    with torch.autocast(device_type=left.device.type, enabled=False):
        return _MeanSigmoid.apply(left, right, links, shift, temperature, torch.is_grad_enabled())


# --------------------------------------------------------------------------------- log-sum-exp over all other nodes


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, own: Tensor, temperature: float, block_rows: int | None
    ) -> Tensor:
        result = left.new_empty(left.size(0))
        for rows, block in _similarities_to_others(left, right, own, temperature, block_rows):
            largest = block.amax(dim=1, keepdim=True)
            torch.sum(block.sub_(largest).exp_(), dim=1, out=result[rows])
            result[rows].log_().add_(largest.squeeze(1))
        ctx.save_for_backward(left, right, own, result)
        ctx.temperature, ctx.block_rows = temperature, block_rows
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        left, right, own, result = ctx.saved_tensors
        of_left, of_right = torch.empty_like(left), torch.zeros_like(right)
        with torch.autocast(device_type=left.device.type, enabled=False):
            for rows, block in _similarities_to_others(left, right, own, ctx.temperature, ctx.block_rows):
                block.sub_(result[rows].unsqueeze(1)).exp_().mul_(grad[rows].unsqueeze(1))
                torch.mm(block, right, out=of_left[rows])
                of_right.addmm_(block.T, left[rows])
        return of_left.div_(ctx.temperature), of_right.div_(ctx.temperature), None, None, None


def _similarities_to_others(
    left: Tensor, right: Tensor, own: Tensor, temperature: float, block_rows: int | None
) -> Iterator[tuple[slice, Tensor]]:
    """Yields blocks of rows of the similarities, each in the same memory; a row's own node has -inf."""
    if block_rows is None:
        block_rows = _rows_of_block(right.size(0), right.device)
    size = max(1, min(left.size(0), block_rows))
    scaled, right_t, buffer = left / temperature, right.T, left.new_empty(size * right.size(0))
    for rows in _blocks(left.size(0), size):
        block = _similarities(scaled[rows], right_t, buffer)
        yield rows, block.scatter_(1, own[rows].unsqueeze(1), -torch.inf)


class _SymmetricLogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float, keep: bool, block_rows: int | None) -> Tensor:
        ctx.exponentials = [] if keep else None
        result = _symmetric_sums(z, temperature, ctx.exponentials, block_rows)
        ctx.save_for_backward(z, result)
        ctx.temperature, ctx.block_rows = temperature, block_rows
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        z, result = ctx.saved_tensors
        with torch.autocast(device_type=z.device.type, enabled=False):
            tiles = ctx.exponentials or _exponentials(z, ctx.temperature, ctx.block_rows)
            return _symmetric_gradient(z, result, grad, tiles).div_(ctx.temperature), None, None, None


class _Tile(NamedTuple):
    """The exponentials of some rows and columns of the similarities.

    Attributes:
        rows: The rows of the tile.
        columns: The columns of the tile; the first is on the diagonal or to its right.
        square: Number of columns whose nodes are also rows of the tile: this square holds each pair twice.
        values: The exponentials, of shape (rows, columns); 0 on the diagonal.
    """

    rows: slice
    columns: slice
    square: int
    values: Tensor

    def others(self) -> tuple[slice, Tensor]:
        """Returns the columns that are not among the rows, and their values."""
        return slice(self.columns.start + self.square, self.columns.stop), self.values[:, self.square :]


def _symmetric_sums(z: Tensor, temperature: float, kept: list[_Tile] | None, block_rows: int | None) -> Tensor:
    total = z.new_zeros(z.size(0))
    for tile in _exponentials(z, temperature, block_rows):
        total[tile.rows] += tile.values.sum(dim=1)
        columns, values = tile.others()
        total[columns] += values.sum(dim=0)
        if kept is not None:
            kept.append(tile._replace(values=tile.values.clone()))
    return total.log_()


def _symmetric_gradient(z: Tensor, result: Tensor, grad: Tensor, tiles: Iterable[_Tile]) -> Tensor:
    # With E the exponentials and a = grad / sums, the gradient is the sum of the gradients of a_i E_ij and a_j E_ji.
    weight = grad * (-result).exp()
    of_z = torch.zeros_like(z)
    for tile in tiles:
        weighted = tile._replace(values=tile.values * (weight[tile.rows].unsqueeze(1) + weight[tile.columns]))
        of_z[tile.rows].addmm_(weighted.values, z[tile.columns])
        columns, values = weighted.others()
        of_z[columns].addmm_(values.T, z[tile.rows])
    return of_z


def _exponentials(z: Tensor, temperature: float, block_rows: int | None) -> Iterator[_Tile]:
    """Yields the tiles from the diagonal on, each in the same memory.

    Tiles are faster than whole rows: each of their products has three dimensions of some hundreds, which suits matrix
    products best, and adds to a few rows of the gradient only.
    """
    height = max(_MIN_ROWS, math.isqrt(_block_entries(z.device) // 4)) if block_rows is None else block_rows
    width = 4 * height
    scaled, buffer = z / temperature, z.new_empty(height * width)
    for rows in _blocks(z.size(0), height):
        for start in range(rows.start, z.size(0), width):
            columns = slice(start, min(start + width, z.size(0)))
            values = _similarities(scaled[rows], z[columns].T, buffer).exp_()
            square = rows.stop - rows.start if start == rows.start else 0
            values[:, :square].diagonal().fill_(0.0)
            yield _Tile(rows, columns, square, values)


def log_sum_exp_of_others(
    z: Tensor,
    temperature: float = 1.0,
    bound: float | None = None,
    anchors: Tensor | None = None,
    *,
    block_rows: int | None = None,
    kept_bytes: int | None = None,
) -> Tensor:
    r"""Returns for each node the logarithm of the sum of its exponentiated similarities to all other nodes.

    .. math::
        L_i = \log \sum_{j \ne i} \exp (z_i^T z_j / \tau)

    It is the denominator of contrastive losses such as InfoNCE.

    Args:
        z: Embeddings of shape (num_nodes, width).
        temperature: The temperature tau, above 0.
        bound: Largest absolute value of an inner product; 1 for embeddings of unit length. If ``bound / temperature``
            is at most 60, no exponential can overflow, and each pair is computed once for both of its nodes, in half
            the time. None: unknown.
        anchors: Nodes of shape (num_anchors,), int64, whose sums are wanted; None: all.
        block_rows: Rows of a block of pairs; None: as many as have 2^20 entries on the CPU and 2^26 elsewhere, but 64
            at least.
        kept_bytes: If a bound is given, exponentials of all pairs are kept for the gradient up to this size, and
            computed again above it; None: 2^27.

    Returns:
        Tensor of shape (num_nodes,) or (num_anchors,), in single precision at least; -inf for a single node. It can be
        differentiated once.
    """
    z = _wide(z)
    if z.size(0) < 2:
        alone = (0.0 * z).sum(dim=1) - torch.inf
        return alone if anchors is None else alone.index_select(0, anchors)
    with torch.autocast(device_type=z.device.type, enabled=False):
        if anchors is not None:
            return _LogSumExp.apply(z.index_select(0, anchors), z, anchors, temperature, block_rows)
        if bound is not None and bound / temperature <= _SAFE_EXPONENT:
            room = _KEPT_BYTES if kept_bytes is None else kept_bytes
            training = torch.is_grad_enabled() and z.requires_grad
            keep = training and z.size(0) ** 2 * z.element_size() // 2 <= room
            return _SymmetricLogSumExp.apply(z, temperature, keep, block_rows)
        return _LogSumExp.apply(z, z, torch.arange(z.size(0), device=z.device), temperature, block_rows)


# -------------------------------------------------------------------------------------------------------- anchors


def draw_anchors(z: Tensor, count: int | None) -> Tensor | None:
    """Draws nodes without replacement, from torch's generator, for sums over the pairs from these nodes to all others.

    Args:
        z: Embeddings of shape (num_nodes, width).
        count: Number of nodes; None: all.

    Returns:
        Nodes of shape (count,), int64, in order; None if all are wanted.
    """
    if count is None or count >= z.size(0):
        return None
    return torch.randperm(z.size(0), device=z.device)[:count].sort().values


# --------------------------------------------------------------------------------------------------------- blocks


def _wide(table: Tensor) -> Tensor:
    return table.to(torch.promote_types(table.dtype, torch.float32))


def _block_entries(device: torch.device) -> int:
    return _BLOCK_ENTRIES.get(device.type, 1 << 26)


def _rows_of_block(num_nodes: int, device: torch.device) -> int:
    entries = _block_entries(device)
    return max(1, min(num_nodes, max(_MIN_ROWS, entries // max(1, num_nodes))))


def _blocks(num_nodes: int, rows: int) -> list[slice]:
    return [slice(start, min(start + rows, num_nodes)) for start in range(0, num_nodes, rows)]


def _similarities(rows: Tensor, others_t: Tensor, buffer: Tensor) -> Tensor:
    """Returns the products of some rows with transposed other rows, in the memory of a buffer."""
    size = (rows.size(0), others_t.size(1))
    return torch.mm(rows, others_t, out=buffer[: size[0] * size[1]].view(size))


__all__ = [
    "LinkedPairs",
    "draw_anchors",
    "linked_pairs",
    "log_sum_exp_of_others",
    "mean_sigmoid_of_others",
    "pair_matrix",
    "pair_sum",
]
