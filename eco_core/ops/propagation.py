"""Smoothing of node features over a graph by sparse products, without a message for each edge."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from eco_core.ops.csr import CSR, csr_matrix, csr_tensor, incoming_of, rows_of
from eco_core.ops.sparse_factor import SparseFactor

_PANEL_ENTRIES = 1 << 21
"""Entries of a panel of columns: 8 MB in single precision, about a core's share of a processor's last cache."""

_MIN_PANEL = 32
"""Least number of columns of a panel: two cache lines."""


def normalized_adjacency(
    edge_index: Tensor,
    edge_weight: Tensor | None = None,
    *,
    num_nodes: int,
    add_self_loops: bool = True,
    loop_weight: float = 1.0,
    r: float = 0.5,
    dtype: torch.dtype | None = None,
) -> Tensor:
    r"""Makes the propagation matrix :math:`D^{r-1} A D^{-r}` of a graph.

    Row *i* of :math:`A` holds the weights of the edges that point to node *i*, so the product with features moves the
    features from sources to targets; :math:`D_{ii} = \sum_j A_{ij}`. With ``r=0.5`` it is the matrix of GCN (Kipf &
    Welling, ICLR 2017), with ``r=0`` each row is a mean over neighbours. Parallel edges add up.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64, from sources to targets; edges of a graph on disk are
            read from the mapped file.
        edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
        num_nodes: Number of nodes.
        add_self_loops: Whether a self-loop is added to each node that has none.
        loop_weight: Weight of the added self-loops.
        r: Exponent of the degrees.
        dtype: Dtype of the values; default the weights' dtype, in single precision at least.

    Returns:
        Sparse CSR tensor of shape (num_nodes, num_nodes), on the device of the edges. Rows of nodes without an edge are
        zero if no self-loops are added.
    """
    incoming = incoming_of(edge_index, edge_weight)
    if incoming is not None:
        return _normalized_rows(incoming, loop_weight if add_self_loops else 0.0, r, dtype)
    device = edge_index.device
    if edge_weight is None:
        edge_weight = torch.ones(edge_index.size(1), device=device)
    dtype = dtype or torch.promote_types(edge_weight.dtype, torch.float32)
    weight = edge_weight.reshape(-1).to(dtype)
    source, target = edge_index
    if add_self_loops:
        has_loop = torch.zeros(num_nodes, dtype=torch.bool, device=device)
        has_loop[source[source == target]] = True
        alone = (~has_loop).nonzero().squeeze(1)
        source, target = torch.cat([source, alone]), torch.cat([target, alone])
        weight = torch.cat([weight, weight.new_full((alone.numel(),), loop_weight)])
    size = (num_nodes, num_nodes)
    adjacency = csr_matrix(target, source, weight, size)
    target, source, weight = rows_of(adjacency), adjacency.col_indices(), adjacency.values()
    degree = weight.new_zeros(num_nodes).index_add_(0, target, weight)
    values = _power(degree, r - 1)[target] * weight * _power(degree, -r)[source]
    return csr_tensor(adjacency.crow_indices(), source, values, size)


def _normalized_rows(incoming: CSR, loop: float, r: float, dtype: torch.dtype | None) -> Tensor:
    """Makes the matrix of edges that are sorted by target, in no more memory than the matrix itself takes."""
    from eco_core.ops import _csr_kernels as kernels

    num_nodes = incoming.num_nodes
    weight = torch.empty(0) if incoming.weight is None else incoming.weight
    dtype = dtype or torch.promote_types(weight.dtype, torch.float32)
    given = (incoming.rowptr.numpy(), incoming.col.numpy(), weight.numpy(), loop)
    starts, degree = torch.empty(num_nodes + 1, dtype=torch.int64), torch.empty(num_nodes, dtype=torch.float64)
    kernels.count_with_loops(*given, starts.numpy(), degree.numpy())
    count = int(starts[-1])
    index = torch.int32 if max(count, num_nodes) < 2**31 else torch.int64
    starts, columns, values = starts.to(index), torch.empty(count, dtype=index), torch.empty(count, dtype=dtype)
    factors = (_power(degree, r - 1).numpy(), _power(degree, -r).numpy())
    kernels.fill_with_loops(*given, *factors, starts.numpy(), columns.numpy(), values.numpy())
    return csr_tensor(starts, columns, values, (num_nodes, num_nodes))


def _power(degree: Tensor, exponent: float) -> Tensor:
    power = degree.pow(exponent)
    return power.masked_fill(power == torch.inf, 0.0)


def propagate(adjacency: Tensor, x: Tensor, steps: int = 1) -> Tensor:
    """Multiplies features by a propagation matrix, several times.

    Args:
        adjacency: Sparse matrix of shape (num_nodes, num_nodes), of which no gradient is taken; see
            `normalized_adjacency`.
        x: Features of shape (num_nodes, ...), dense or sparse COO.
        steps: Number of products; 0 returns the features.

    Returns:
        Dense tensor of the shape of ``x``, in the wider of both dtypes and in single precision at least, under autocast
        too.
    """
    dtype = torch.promote_types(torch.promote_types(adjacency.dtype, x.dtype), torch.float32)
    out = x.to(dtype)
    if out.layout is not torch.strided:
        out = out.to_dense()
    factor = SparseFactor.of(adjacency.to(dtype))
    shape = out.shape
    out = out.reshape(shape[0], -1)
    for _ in range(steps):
        out = factor @ out
    return out.reshape(shape)


def column_panels(x: Tensor, panel_columns: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Yields a few columns of the features at a time, few enough to be smoothed within a cache.

    Args:
        x: Features of shape (num_nodes, in_channels), dense or sparse COO.
        panel_columns: How many columns; None: a multiple of 32, of about 2^21 entries.

    Yields:
        The slice of columns, and these columns as a dense contiguous tensor of shape (num_nodes, number of columns), in
        single precision at least.
    """
    num_nodes, channels = x.shape
    dtype = torch.promote_types(x.dtype, torch.float32)
    if panel_columns is None:
        panel_columns = max(_MIN_PANEL, _PANEL_ENTRIES // max(1, num_nodes) // _MIN_PANEL * _MIN_PANEL)
    panels = [slice(first, min(first + panel_columns, channels)) for first in range(0, channels, panel_columns)]
    if x.layout is torch.strided:
        for columns in panels:
            yield columns, x[:, columns].to(dtype).contiguous()
        return
    by_column = x.t().coalesce()
    column, row = by_column.indices()
    ends = torch.searchsorted(column, torch.tensor([panel.stop for panel in panels], device=x.device)).tolist()
    for columns, first, last in zip(panels, [0, *ends], ends, strict=False):
        panel = torch.zeros(num_nodes, columns.stop - columns.start, dtype=dtype, device=x.device)
        panel[row[first:last], column[first:last] - columns.start] = by_column.values()[first:last].to(dtype)
        yield columns, panel


__all__ = ["column_panels", "normalized_adjacency", "propagate"]
