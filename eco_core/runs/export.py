"""Exports a run: the graph that was clustered, with ids, columns, clusters and confidence, in formats of others."""

from __future__ import annotations

import csv
import functools
import importlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from eco_core._files import write_atomically
from eco_core.errors import DataError, EcoWarning, Problem, RunFolderError, SpecError, did_you_mean
from eco_core.registry.registry import Registry

_Writer = Callable[["_Exported", Path], None]


@dataclass(frozen=True, eq=False)
class _Exported:
    """What is exported.

    Attributes:
        ids: The ids of the nodes.
        id_name: The user's name of the column of ids.
        edge_names: The user's names of the columns of sources, targets and weights.
        columns: The user's columns, and cluster, confidence and the cluster's name of each node.
        source: Sources of the edges, shape (edges,). Of an undirected graph each edge is listed once.
        target: Their targets.
        weight: Their weights, float64; None if the graph has none.
        directed: Whether the graph is directed.
        graph: The graph itself.
        embedding: The embeddings, shape (num_nodes, width).
        spec: The resolved spec.
    """

    ids: list[str]
    id_name: str
    edge_names: tuple[str, str, str]
    columns: Mapping[str, Any]
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    directed: bool
    graph: Any
    embedding: np.ndarray | None
    spec: Mapping[str, Any]


def export_run(
    folder: str | Path,
    to: str,
    out: str | Path | None = None,
    *,
    data: Any = None,
    data_root: str | Path | None = None,
    force: bool = False,
    registry: Registry | None = None,
) -> list[Path]:
    """Exports a run.

    Args:
        folder: A run folder.
        to: ``graphml``, ``gexf``, ``parquet``, ``h5ad`` or ``csv``.
        out: The file, or for ``csv`` and ``parquet`` the folder; default a file ``clusters.<format>``, or the files
            ``nodes`` and ``edges``, in the run folder.
        data: The graph, if it is not where the run found it: a name, a path or an object, as for
            `eco_core.load_graph`.
        data_root: Folder of downloaded data sets.
        force: Whether existing files are replaced.
        registry: Where names are looked up; default all installed plugins.

    Returns:
        The files that were written.

    Raises:
        SpecError: ECO104, for an unknown format.
        RunFolderError: ECO403, if the folder is not a finished run, or a library is missing; ECO402, if a file exists.
        DataError: If the graph cannot be loaded, or has other nodes than the run.
    """
    if to not in _WRITERS:
        hint = did_you_mean(to, _WRITERS)
        raise SpecError(Problem("ECO104", f"There is no format {to!r} to export to.", hint))
    run = Path(folder).expanduser()
    targets = _targets(run, to, None if out is None else Path(out).expanduser())
    existing = [str(path) for path in targets.values() if path.exists()]
    if existing and not force:
        raise RunFolderError(Problem("ECO402", f"{', '.join(existing)} exists already.", "Give --out, or --force."))
    _check_libraries(to)
    exported = _collect(run, data, data_root, registry or Registry.discover())
    _warn_of_edge_columns(exported.graph)
    for what, path in targets.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, functools.partial(_WRITERS[to][what], exported))
        except OSError as error:
            raise RunFolderError(
                Problem("ECO403", f"{path} cannot be written: {error.strerror or error}.", "Give another --out.")
            ) from error
    return list(targets.values())


def _targets(run: Path, to: str, out: Path | None) -> dict[str, Path]:
    writers = _WRITERS[to]
    if len(writers) == 1:
        return {"all": out or run / f"clusters.{to}"}
    return {what: (out or run / "export") / f"{what}.{to}" for what in writers}


def _check_libraries(to: str) -> None:
    for module, extra in _LIBRARIES[to]:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise RunFolderError(
                Problem(
                    "ECO403",
                    f"Exporting to {to} needs {module}, which is not installed.",
                    f"pip install 'eco-core[{extra}]'",
                )
            ) from error


def _collect(run: Path, data: Any, data_root: str | Path | None, registry: Registry) -> _Exported:
    from eco_core.plan.graph import load_planned
    from eco_core.results.assignments import read_assignments
    from eco_core.results.folder import ASSIGNMENTS, EMBEDDINGS, SPEC, check_finished
    from eco_core.spec.files import read_spec
    from eco_core.spec.models import DataSpec, GraphSpec

    check_finished(run)
    spec = read_spec(run / SPEC)
    section = DataSpec.model_validate(spec["data"])
    if data_root is not None:
        section = section.model_copy(update={"root": str(data_root)})
    # The features are the user's own, not those that a recipe has normalised.
    section = section.model_copy(update={"normalize_features": "none"})
    neighbors = GraphSpec.model_validate(spec.get("graph") or {})
    graph, _ = load_planned(section, registry, data, neighbors=neighbors, features_as_stored=True)
    rows = read_assignments(run / ASSIGNMENTS)
    ids = [str(node) for node in (graph.get("node_ids") or range(int(graph.num_nodes)))]
    if len(ids) != len(rows) or any(node not in rows for node in ids):
        raise DataError(
            Problem(
                "ECO305",
                f"The graph has {len(ids)} nodes and the run {len(rows)}, and they are not the same.",
                "Give the graph of the run with --data.",
            )
        )
    place = {node: row for row, node in enumerate(rows)}
    order = None if ids == list(rows) else [place[node] for node in ids]
    names = _cluster_names(run, graph, order)
    found: dict[str, Any] = {
        "cluster": np.array([rows[node][0] for node in ids], dtype=np.int64),
        "confidence": np.array([rows[node][1] for node in ids]),
        "cluster_name": np.array([names[rows[node][0]] for node in ids], dtype=object),
    }
    table = graph.get("node_table")
    columns: dict[str, Any] = {}
    if table is not None:
        columns = {str(name): table.iloc[:, place] for place, name in enumerate(table.columns)}
    id_name = _role(graph, "nodes", "id") or "id"
    if id_name in columns:
        id_name = "eco_id"
    # A column of the user's keeps its name; ours gives way.
    taken = {*columns, id_name}
    ours = {name if name not in taken else f"eco_{name}": values for name, values in found.items()}
    source, target, weight, directed = _edges(graph)
    plain = ("source", "target", "weight")
    start, end, amount = (_role(graph, "edges", kind) or kind for kind in plain)
    edge_names = (start, end, amount) if len({start, end, amount}) == 3 else plain
    embedding = np.load(run / EMBEDDINGS, mmap_mode="r")
    return _Exported(
        ids, id_name, edge_names, {**columns, **ours}, source, target, weight, directed, graph,
        embedding if order is None else embedding[order], spec,
    )  # fmt: skip


def _role(graph: Any, table: str, kind: str) -> str | None:
    """The user's name of the column that was taken as the ids, sources, targets or weights."""
    for entry in graph.get("columns") or ():
        if entry.get("table") == table and entry["kind"] == kind and str(entry["action"]).startswith("taken as"):
            return str(entry["column"])
    return None


def _warn_of_edge_columns(graph: Any) -> None:
    """Says which columns of the edges are not exported: merged edges have more than one value of them."""
    used = ("source", "target", "weight")
    left = [
        str(entry["column"])
        for entry in graph.get("columns") or ()
        if entry.get("table") == "edges" and entry["kind"] not in used and "index" not in str(entry["action"])
    ]
    if left:
        warnings.warn(
            f"Columns of the edges that are not exported: {', '.join(left)}. A graph keeps only ends and weights.",
            category=EcoWarning,
            stacklevel=3,
        )


def _cluster_names(run: Path, graph: Any, order: list[int] | None) -> dict[int, str]:
    """The names of the clusters: those of the report, or as a report would name them."""
    from eco_core.results.explanation import explain
    from eco_core.results.explanation_files import read_explanation
    from eco_core.results.folder import read_run

    explanation = read_explanation(run)
    if explanation is None:
        found = read_run(run).clustering
        if order is not None:
            ids = None if found.node_ids is None else [found.node_ids[row] for row in order]
            found = replace(
                found,
                labels=found.labels[order],
                confidence=found.confidence[order],
                embedding=found.embedding[order],
                node_ids=ids,
            )
        explanation = explain(graph, found)
    return {each.cluster: each.name for each in explanation.clusters}


def _edges(graph: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, bool]:
    """The edges of a graph; an undirected graph lists each edge once."""
    import scipy.sparse as sp

    source, target = (part.cpu().numpy() for part in graph.edge_index)
    weight = graph.get("edge_weight")
    weight = None if weight is None else _shortest(weight.cpu().numpy().reshape(-1))
    count = int(graph.num_nodes)
    values = np.ones(len(source)) if weight is None else weight
    matrix = sp.coo_matrix((values, (source, target)), (count, count)).tocsr()
    directed = (matrix != matrix.T).nnz > 0
    if directed:
        return source, target, weight, True
    kept = source <= target
    return source[kept], target[kept], None if weight is None else weight[kept], False


def _shortest(numbers: np.ndarray) -> np.ndarray:
    """Numbers as float64 with the fewest digits that make the same float32: 149.87 instead of 149.869995."""
    if numbers.dtype != np.float32:
        return numbers.astype(np.float64)
    different, places = np.unique(numbers, return_inverse=True)  # Often few, and each has to be written and read.
    return np.array([float(str(number)) for number in different], dtype=np.float64)[places]


def _texts_of_days(column: Any) -> Any:
    """A column of dates without times as texts such as ``2023-03-23``; any other column as it is."""
    if getattr(getattr(column, "dtype", None), "kind", "") != "M" or not hasattr(column, "dt"):
        return column
    known = column.dropna()
    if not bool((known == known.dt.normalize()).all()):
        return column
    return column.dt.strftime("%Y-%m-%d").astype(object).where(column.notna(), None)


def _plain(value: Any) -> Any:
    """A value that graph formats can hold; None for a missing one."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (bool, int, float, str)):
        return value
    text = str(value)
    return None if text in ("NaT", "<NA>", "nan") else text


def _networkx(exported: _Exported) -> Any:
    import networkx as nx

    graph = nx.DiGraph() if exported.directed else nx.Graph()
    named = {} if exported.id_name == "id" else {exported.id_name: exported.ids}
    lists = {name: list(_texts_of_days(values)) for name, values in {**named, **exported.columns}.items()}
    mixed = {
        name for name, values in lists.items() if len({type(_plain(value)) for value in values} - {type(None)}) > 1
    }
    for row, node in enumerate(exported.ids):
        attributes = {name: _plain(values[row]) for name, values in lists.items()}
        attributes = {
            name: str(value) if name in mixed else value for name, value in attributes.items() if value is not None
        }
        graph.add_node(_xml_text(node), **{_xml_text(key): _xml_value(value) for key, value in attributes.items()})
    weights: Iterator[float | None] = iter([None] * len(exported.source))
    if exported.weight is not None:
        weights = map(float, exported.weight)
    ids = [_xml_text(node) for node in exported.ids]
    for source, target, weight in zip(exported.source.tolist(), exported.target.tolist(), weights, strict=True):
        graph.add_edge(ids[source], ids[target], **({} if weight is None else {"weight": weight}))
    return graph


def _xml_value(value: Any) -> Any:
    return _xml_text(value) if isinstance(value, str) else value


def _xml_text(text: str) -> str:
    """A text without the control characters that XML forbids."""
    return "".join(c for c in text if c in "\t\n\r" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF))


def _write_graphml(exported: _Exported, path: Path) -> None:
    import networkx as nx

    nx.write_graphml(_networkx(exported), path)


def _write_gexf(exported: _Exported, path: Path) -> None:
    import networkx as nx

    nx.write_gexf(_networkx(exported), path)


def _edge_columns(exported: _Exported) -> dict[str, Any]:
    ids = np.array(exported.ids, dtype=object)
    source, target, weight = exported.edge_names
    columns: dict[str, Any] = {source: ids[exported.source], target: ids[exported.target]}
    if exported.weight is not None:
        columns[weight] = exported.weight
    return columns


def _write_nodes_csv(exported: _Exported, path: Path) -> None:
    _write_csv(path, {exported.id_name: exported.ids, **exported.columns})


def _write_edges_csv(exported: _Exported, path: Path) -> None:
    _write_csv(path, _edge_columns(exported))


def _write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        texts = [
            ["" if (plain := _plain(value)) is None else plain for value in _texts_of_days(values)]
            for values in columns.values()
        ]
        writer.writerows(zip(*texts, strict=True))


def _write_nodes_parquet(exported: _Exported, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(_arrow({exported.id_name: exported.ids, **exported.columns}, pa), path)


def _write_edges_parquet(exported: _Exported, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(_arrow(_edge_columns(exported), pa), path)


def _arrow(columns: Mapping[str, Any], pa: Any) -> Any:
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = pa.array(values, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # Values of several types.
            plain = [_plain(value) for value in values]
            arrays[name] = pa.array([None if value is None else str(value) for value in plain])
    return pa.table(arrays)


def _write_h5ad(exported: _Exported, path: Path) -> None:
    import anndata as ad
    import pandas as pd
    import scipy.sparse as sp

    graph, count = exported.graph, len(exported.ids)
    x = graph.x
    if x.is_sparse:
        rows, columns = x.coalesce().indices().numpy()
        features: Any = sp.csr_matrix((x.coalesce().values().numpy(), (rows, columns)), tuple(x.shape))
    else:
        features = x.numpy()
    source, target = graph.edge_index.numpy()
    weight = graph.get("edge_weight")
    values = np.ones(len(source), np.float32) if weight is None else _shortest(weight.numpy().reshape(-1))
    obs = pd.DataFrame(index=pd.Index(exported.ids, name=exported.id_name, dtype=object))
    for name, column in exported.columns.items():
        obs[name] = _h5_column(column, pd)
    cluster = "cluster" if "cluster" in exported.columns else "eco_cluster"
    if "eco_cluster" in exported.columns:
        cluster = "eco_cluster"
    numbers = np.asarray(exported.columns[cluster])
    obs[cluster] = pd.Categorical(numbers.astype(str), categories=[str(number) for number in np.unique(numbers)])
    names = graph.get("feature_names") or [f"feature {feature}" for feature in range(x.shape[1])]
    data = ad.AnnData(X=features, obs=obs, var=pd.DataFrame(index=[str(name) for name in names]))
    if exported.embedding is not None:
        data.obsm["X_eco"] = np.asarray(exported.embedding)
    data.obsp["connectivities"] = sp.coo_matrix((values, (source, target)), (count, count)).tocsr()
    data.write_h5ad(path)


def _h5_column(column: Any, pd: Any) -> Any:
    column = _texts_of_days(column)
    series = pd.Series(list(column)) if not hasattr(column, "dtype") else pd.Series(np.asarray(column))
    if series.dtype.kind in "biuf":
        return series.to_numpy()
    if series.dtype.kind == "M":
        return series.astype(str).to_numpy()
    plain = [_plain(value) for value in series]
    known = {type(value) for value in plain if value is not None}
    if known and known <= {int, float}:
        return np.array([np.nan if value is None else float(value) for value in plain])
    return pd.Categorical([None if value is None else str(value) for value in plain])


_WRITERS: Mapping[str, Mapping[str, _Writer]] = {
    "graphml": {"all": _write_graphml},
    "gexf": {"all": _write_gexf},
    "parquet": {"nodes": _write_nodes_parquet, "edges": _write_edges_parquet},
    "h5ad": {"all": _write_h5ad},
    "csv": {"nodes": _write_nodes_csv, "edges": _write_edges_csv},
}
_LIBRARIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "graphml": (("networkx", "formats"),),
    "gexf": (("networkx", "formats"),),
    "parquet": (("pyarrow", "tables"),),
    "h5ad": (("anndata", "bio"),),
    "csv": (),
}

__all__ = ["export_run"]
