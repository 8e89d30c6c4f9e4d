"""Loads a checked graph from a name, a file, or an object in memory."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from eco_core.data.annotated.recognition import is_anndata
from eco_core.data.completion import MADE_FEATURES, add_neighbors, complete_graph
from eco_core.data.edge_merging import make_undirected, merge_duplicates
from eco_core.data.features_alone import graph_of_features, graph_of_features_frame, is_frame
from eco_core.data.neighbors import NeighborOptions
from eco_core.data.objects.dispatch import reader_of_object
from eco_core.data.objects.pyg import plain_graph
from eco_core.data.on_disk.graph import OnDiskGraph
from eco_core.data.readers.table_files import graph_of_data_frames, is_frames
from eco_core.data.source import default_root, is_path
from eco_core.data.tables.encoding import TableEncoding, is_same
from eco_core.data.validate import add_notes, counted, describe_structure
from eco_core.errors import DataError, Problem, SpecError, did_you_mean
from eco_core.registry.hookspecs import Dataset

if TYPE_CHECKING:
    from eco_core.registry.registry import Registry

__all__ = ["default_root", "load_graph"]

_NORMALIZATIONS = ("none", "row")

_DUPLICATES = ("max", "sum", "mean")

_OWN_KEYS = ("name", "root", "undirected", "normalize_features", "duplicates")
"""Keys of a spec's data section that are not parameters of the data set."""


def load_graph(
    source: Any,
    root: str | Path | None = None,
    *,
    undirected: bool = True,
    normalize_features: str = "none",
    duplicates: str = "max",
    knn: int | None = None,
    metric: str = "auto",
    radius: float | None = None,
    knn_augment: int = 0,
    registry: Registry | None = None,
    preparation: Any = None,
    **parameters: Any,
) -> Data:
    """Loads a graph by name, from a file, or from an object in memory, and checks it.

    Args:
        source: The name of a registered data set; a file or folder (see `eco_core.data.readers.formats`; a graph on
            disk stays on disk); a PyG ``Data``; a tuple ``(x, edge_index)`` or ``(x, edge_index, y)`` of tensors or
            arrays, where ``x`` may be a data frame of numbers, and a square adjacency may stand for the edges; a pair
            ``(nodes, edges)`` of data frames, either of which may be None; features alone, as an array or a data frame;
            or an ``AnnData``. A graph without edges is joined with nearest neighbours, and a graph without features
            gets features made from its edges; the notes say so. A string is a path if it exists, has a separator or has
            a known suffix, else a name. Objects in memory are never modified.
        root: Folder of downloaded data sets; by default `default_root`. Only named data sets use it.
        undirected: Whether to add the missing reverse of every edge and to merge duplicates.
        duplicates: The weight of edges that are merged. ``"max"``: the largest; an edge listed once in each direction
            is a single edge, not an edge of twice the weight. ``"sum"``: the sum over all rows of the pair (without
            weights: their number), unless the list has every edge in both directions with the same weight; ``"mean"``:
            the mean over all rows of the pair. With directed edges, ``"max"`` leaves duplicates as they are, and
            the others merge edges of the same direction.
        normalize_features: ``"none"``, or ``"row"``: divide every row of ``x`` by the sum of its absolute values (for
            bags of words simply the sum). Rows of zeros stay zero; sparse features stay sparse. Features that were made
            from edges, and principal components, stay as they are.
        knn: Nearest neighbours that a node is joined with, if the data have no edges: in space where there are
            coordinates, else in the features. Default 10.
        metric: Distance of features: ``euclidean``, ``cosine``, ``manhattan``; ``auto``: the cosine of sparse features,
            else Euclidean distance.
        radius: Instead of ``knn``: join nodes whose distance is at most this.
        knn_augment: Nearest neighbours in the features that are added to the edges of any graph.
        registry: Where names are looked up; by default all installed plugins.
        preparation: The ``encoding`` of another graph, by which the features of a table or an AnnData are made in the
            same way. It has no effect on other graphs.
        **parameters: Parameters of the data set, of the file's reader or of the AnnData
            (`eco_core.data.annotated.graph.graph_of_anndata`).

    Returns:
        A graph as `eco_core.data.validate.validate_graph` describes it. ``n_classes`` is the declared number of
        classes, never counted from ``y``; ``notes`` lists what is unusual and what was changed.

    Raises:
        SpecError: ECO101 unknown name, ECO103 unknown parameter, ECO104 invalid value (also if a graph on disk was
            converted with other options), ECO105 missing parameter.
        DataError: ECO301 no such file, ECO302 unreadable file, ECO303 invalid graph, ECO304 download impossible.
    """
    if normalize_features not in _NORMALIZATIONS:
        suggestion = did_you_mean(str(normalize_features), _NORMALIZATIONS)
        raise SpecError(
            Problem("ECO104", f"normalize_features is {normalize_features!r}; expected 'none' or 'row'.", suggestion)
        )
    if duplicates not in _DUPLICATES:
        suggestion = did_you_mean(str(duplicates), _DUPLICATES)
        raise SpecError(
            Problem("ECO104", f"duplicates is {duplicates!r}; expected 'max', 'sum' or 'mean'.", suggestion)
        )
    neighbors = NeighborOptions(knn, metric, radius, knn_augment)
    with _named(source):
        data = _encoded(_read(source, root, registry, parameters, preparation), preparation)
    if isinstance(data, OnDiskGraph) and data.is_as_stored:
        _check_conversion(data, undirected, normalize_features, duplicates, neighbors)
        return copy.copy(data)
    with _named(source):
        graph = complete_graph(data, neighbors)
    if duplicates != "max":
        graph = merge_duplicates(graph, duplicates, undirected)
    if undirected:
        graph = make_undirected(graph)
    add_neighbors(graph, neighbors)
    add_notes(graph, describe_structure(graph))
    if normalize_features == "row" and graph.get("x") is not None and not _are_signed(graph):
        graph.x, zero_rows = _normalize_rows(graph.x)
        add_notes(graph, ["features divided by row sums" + (f", {zero_rows:,} rows are zero" if zero_rows else "")])
    return graph


@contextlib.contextmanager
def _named(source: Any) -> Iterator[None]:
    """Context manager: adds the file to what is wrong with the graph that it holds, where a message lacks it."""
    try:
        yield
    except DataError as error:
        if not (isinstance(source, Path) or (isinstance(source, str) and is_path(source))):
            raise
        path = Path(source).expanduser()
        named = [p if path.name in p.message else replace(p, message=f"{path}: {p.message}") for p in error.problems]
        raise DataError(*named) from error


def _are_signed(graph: Data) -> bool:
    """Whether the features are standardised or principal components: sums of their rows mean nothing."""
    return bool(graph.get(MADE_FEATURES)) or bool(getattr(graph.get("encoding"), "signed", False))


def _read(
    source: Any, root: str | Path | None, registry: Registry | None, parameters: dict[str, Any], preparation: Any
) -> Data:
    """Reads the graph that a source names, or returns a graph in memory as it is; nothing is checked yet."""
    if isinstance(source, (str, Path)):
        if is_path(source):
            return _from_path(Path(source), parameters, preparation)
        return _from_name(str(source), root, registry, parameters)
    if is_anndata(source):
        from eco_core.data.annotated.graph import graph_of_anndata

        checked = _checked_parameters(graph_of_anndata, parameters, provided=("adata", "fitted"))
        return graph_of_anndata(source, **checked, fitted=preparation)
    read = reader_of_object(source)
    if read is not None:
        found = read(source, **_checked_parameters(read, parameters, provided=("source",)))
        return plain_graph(found)
    if is_frames(source):
        checked = _checked_parameters(graph_of_data_frames, parameters, provided=("source", "fitted"))
        return graph_of_data_frames(source, fitted=preparation, **checked)
    data = _from_memory(source)
    if parameters:
        names = ", ".join(repr(name) for name in parameters)
        raise SpecError(
            Problem(
                "ECO103",
                f"A graph in memory has no parameters; {names} was given.",
                "Parameters belong to named data sets, to files and to AnnData objects.",
            )
        )
    return data


def _with_adjacency(data: Data) -> Data:
    """Reads a sparse adjacency matrix in the place of the list of edges."""
    from eco_core.data.readers.named_arrays import edges_of_matrix

    edges, weight, notes = edges_of_matrix(data.edge_index, "the adjacency")
    data.edge_index = torch.from_numpy(edges)
    data.edge_weight = None if weight is None else torch.from_numpy(weight)
    data.notes = notes
    return data


def _check_conversion(
    graph: OnDiskGraph, undirected: bool, normalize_features: str, duplicates: str, neighbors: NeighborOptions
) -> None:
    """Refuses options that a graph on disk was not converted with: applying them would load the graph into memory."""
    problems = []
    if undirected and not graph.manifest["undirected"]:
        problems.append(
            Problem(
                "ECO104",
                f"Graph {graph.name!r} is on disk with directed edges, but data.undirected is true.",
                "Use data.undirected=false, or convert it again without --directed.",
            )
        )
    if normalize_features == "row" and graph.manifest["normalize_features"] != "row":
        problems.append(
            Problem(
                "ECO104",
                f"Graph {graph.name!r} is on disk with unnormalised features, but data.normalize_features is 'row'.",
                "Use data.normalize_features=none, or convert the graph again with --normalize-features row.",
            )
        )
    if duplicates != "max":
        problems.append(
            Problem(
                "ECO104",
                f"Graph {graph.name!r} is on disk with merged edges, but data.duplicates is {duplicates!r}.",
                "Leave data.duplicates out, or load the source of the graph instead.",
            )
        )
    if neighbors.knn_augment:
        problems.append(
            Problem(
                "ECO104",
                f"Graph {graph.name!r} is on disk; no neighbours can be added to it (graph.knn_augment is "
                f"{neighbors.knn_augment}).",
                "Use graph.knn_augment=0, or give the graph that was converted.",
            )
        )
    if problems:
        raise SpecError(*problems)


def _sparse_if_adjacency(edges: Any, x: Any) -> Any:
    """Turns a square array with a row for each node into a sparse matrix; anything else is returned as it is."""
    shape, rows = tuple(getattr(edges, "shape", ())), tuple(getattr(x, "shape", ()))[:1]
    is_array = isinstance(edges, (np.ndarray, Tensor)) and not (isinstance(edges, Tensor) and edges.is_sparse)
    # Two nodes: an array of shape (2, 2) is a list of two edges.
    if not is_array or len(shape) != 2 or shape[0] == 2 or shape != rows * 2:
        return edges
    import scipy.sparse as sp

    return sp.coo_matrix(edges.cpu().numpy() if isinstance(edges, Tensor) else edges)


def _from_memory(source: Any) -> Data:
    if isinstance(source, Data):
        return source if isinstance(source, OnDiskGraph) else plain_graph(source)
    if isinstance(source, (tuple, list)):
        if len(source) in (2, 3):
            # convert_graph reports unusable arrays later, with all other problems.
            x, edges, *rest = source
            data = graph_of_features_frame(x) if is_frame(x) else Data(x=x)
            data.edge_index = _sparse_if_adjacency(edges, data.x)
            if rest:
                data.y = rest[0]
            return _with_adjacency(data) if hasattr(data.edge_index, "tocoo") else data
        raise SpecError(
            Problem(
                "ECO104",
                f"The graph is a tuple of {len(source)} entries; expected (x, edge_index) or (x, edge_index, y).",
                "For edge weights, node ids or declared classes, give a torch_geometric.data.Data.",
            )
        )
    alone = graph_of_features(source)
    if alone is not None:
        return alone
    raise SpecError(
        Problem(
            "ECO104",
            f"Cannot read a graph from a {type(source).__name__}.",
            "Give a data set's name, a path, a PyG graph, (x, edge_index), features alone, a pair of data frames, a "
            "networkx or igraph graph, a SciPy adjacency, or an AnnData.",
        )
    )


def _encoded(data: Data, encoding: Any) -> Data:
    """Encodes the table of a graph again, if it was encoded in another way than ``encoding`` says."""
    table = data.get("node_table")
    if not isinstance(encoding, TableEncoding) or table is None or is_same(encoding, data.get("encoding")):
        return data
    graph = copy.copy(data)
    features = encoding.encode(table, f"The table of graph {data.get('name')!r}")
    graph.x, graph.encoding = torch.from_numpy(features), encoding
    return graph


def _from_path(path: Path, parameters: dict[str, Any], preparation: Any) -> Data:
    from eco_core.data.readers.formats import reader_for

    path = path.expanduser()
    reader = reader_for(path)
    checked = _checked_parameters(reader, parameters, provided=("path", "fitted"))
    if preparation is not None and "fitted" in inspect.signature(reader).parameters:
        checked["fitted"] = preparation
    data = reader(path, **checked)
    if not isinstance(data, OnDiskGraph) and not any(" read" in note for note in data.get("notes") or []):
        _add_counts(data, path)
    return data


def _add_counts(data: Data, path: Path) -> None:
    """Notes how much a file holds, before anything is merged or added."""
    rows = data._store.get("num_nodes")
    for key in ("x", "node_ids", "y"):
        if rows is None and data.get(key) is not None and hasattr(data[key], "__len__"):
            rows = data[key].shape[0] if hasattr(data[key], "shape") else len(data[key])
    edges = data.get("edge_index")
    found = [counted(int(rows), "node")] if rows is not None else []
    if edges is not None and len(getattr(edges, "shape", ())) == 2:
        found.append(counted(int(edges.shape[1]), "edge"))
    if found:
        data.notes = [f"{path.name}: {' and '.join(found)} read", *(data.get("notes") or [])]


def _from_name(name: str, root: str | Path | None, registry: Registry | None, parameters: dict[str, Any]) -> Data:
    if registry is None:
        from eco_core.registry.registry import Registry

        registry = Registry.discover()
    entry = registry.find("dataset", name)
    dataset = cast(Dataset, entry.item)
    missing = entry.missing_problem
    if missing:
        raise SpecError(missing)
    loader = entry.load()
    arguments = _checked_parameters(loader, parameters, provided=("root",))
    if "root" in inspect.signature(loader).parameters:
        arguments["root"] = default_root() if root is None else Path(root).expanduser()
    data = loader(**arguments)
    if not isinstance(data, Data):
        raise DataError(
            Problem(
                "ECO303",
                f"The loader of data set {dataset.name!r} ({dataset.target}) returned a {type(data).__name__}; "
                "expected a torch_geometric.data.Data.",
                "This is a mistake in the plugin that provides the data set.",
            )
        )
    graph = copy.copy(data)
    if graph.get("n_classes") is None:
        graph.n_classes = dataset.classes
    graph.name = data.get("name") or dataset.name
    return graph


def _checked_parameters(
    function: Callable[..., Any], given: dict[str, Any], provided: tuple[str, ...]
) -> dict[str, Any]:
    """Checks the user's parameters of a loader or reader against its signature; returns them with their defaults."""
    import pydantic

    from eco_core.inject.parameters import parameter_model
    from eco_core.inject.problems import problems_of

    model = parameter_model(function, provided)
    try:
        return model.model_validate(given).values()
    except pydantic.ValidationError as error:
        raise SpecError(*problems_of(error, model, "data", _OWN_KEYS)) from error


def _normalize_rows(x: Tensor) -> tuple[Tensor, int]:
    """Divides rows by the sums of their absolute values; returns the result and the number of rows of zeros."""
    if x.is_sparse:
        rows, values = x.indices()[0], x.values()
        sums = values.new_zeros(x.shape[0]).index_add_(0, rows, values.abs())
        divisor = torch.where(sums > 0, sums, torch.ones_like(sums))
        scaled = torch.sparse_coo_tensor(
            x.indices(), values / divisor[rows], x.shape, is_coalesced=True, check_invariants=False
        )
        return scaled, int((sums == 0).sum())
    sums = x.abs().sum(1, keepdim=True)
    return x / torch.where(sums > 0, sums, torch.ones_like(sums)), int((sums == 0).sum())
