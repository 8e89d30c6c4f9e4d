"""Writes graphs on disk (see `eco_core.data.on_disk`). Memory holds arrays of the nodes and one chunk of edges."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data

from eco_core.data.convert.array_file import ArrayFile
from eco_core.data.convert.edge_list import EdgeList, edges_of_file, edges_of_graph
from eco_core.data.convert.edge_sort import EdgeSorter
from eco_core.data.node_ids import Ids, NodeIndex, Nodes, as_ids, interleaved
from eco_core.data.on_disk.graph import (
    FORMAT,
    MANIFEST,
    UNFINISHED,
    VERSION,
    NodeIds,
    OnDiskGraph,
    checksum,
    is_on_disk,
    read_manifest,
)
from eco_core.data.portions import Portions
from eco_core.data.readers.csv_graph import UNKNOWN_LABELS, looks_like_data, sorted_classes
from eco_core.data.readers.tables import Table, open_array, open_table, unreadable
from eco_core.data.validate import checked_classes, checked_labels, counted, describe_structure
from eco_core.errors import DataError, Problem, SpecError

TABLES = (".csv", ".parquet", ".npy")
"""Suffixes of files that hold only edges, only features or only labels."""

_SMALL_NODES = 2**31
"""With fewer nodes than this, node numbers fit into int32."""


def save_on_disk(
    source: str | Path | Data,
    out: str | Path,
    *,
    features: str | Path | None = None,
    labels: str | Path | None = None,
    no_features: bool = False,
    n_classes: int | None = None,
    undirected: bool = True,
    normalize_features: str = "none",
    force: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    portions: Portions = Portions(),
    **loading: Any,
) -> Path:
    """Writes a graph as a folder of arrays, which is later opened without loading it into memory.

    Args:
        source: One of three kinds. A list of edges: CSV or Parquet with the columns source, target and, optionally,
            weight (found by these and other well-known names, else the only two or three columns), or ``.npy`` of shape
            (2, num_edges) or (num_edges, 2). Or a folder with ``edges.csv`` and ``features.csv``. Or any other source
            of `eco_core.data.load_graph`, which is loaded into memory as a whole, except for another graph on disk; a
            table of nodes, if the parameter ``edges`` names that of the edges.
        out: The folder to write. Until it is complete, its name ends with ``.unfinished``.
        features: The features for a list of edges: CSV or Parquet with a column of node ids and then columns of numbers
            (or, in Parquet, one column of lists of a fixed length); or ``.npy``, whose row i belongs to node i. Nodes
            are numbered in the order of the rows.
        labels: CSV or Parquet with ids and labels (any texts), or ``.npy`` with a number for each node.
        no_features: Whether the graph has no features. Then the nodes are the ids that the edges name, in the order of
            their first occurrence, and the only feature is the logarithm of 1 + the number of a node's neighbours.
        n_classes: The number of classes to declare; it is never counted from the labels.
        undirected: Whether to add the missing reverse of every edge and to merge duplicates; the largest weight of
            merged edges is kept. Otherwise all edges are kept as they are.
        normalize_features: ``"row"`` divides each row by the sum of its absolute values.
        force: Whether an existing graph on disk in ``out`` may be replaced.
        progress: Called with a message about each step.
        portions: How much is read and sorted together. It bounds the memory, and does not change what is written.
        **loading: ``root``, ``registry`` and parameters of the data set, passed on to `eco_core.data.load_graph`.

    Returns:
        The folder.

    Raises:
        DataError: ECO301 for a missing file, ECO302 for an unreadable one, ECO303 for an invalid graph, ECO305 for ids
            that do not match; ECO306, if the folder exists or cannot be written. After an error no new folder is left.
        SpecError: ECO104, for parameters that cannot be combined; further errors as `eco_core.data.load_graph`.
    """
    out = Path(out).expanduser().absolute()
    _check_options(normalize_features, n_classes)
    # With a file of edges of its own, the source is a table of nodes: a whole graph.
    nodes_table = loading.get("edges") is not None and features is None and not no_features
    tables = None if nodes_table else _tables_of(source, features, labels, no_features)
    with _new_folder(out, force, progress) as folder:
        conversion = _Conversion(folder, out.name, undirected, normalize_features, progress, portions)
        if tables is None:
            from eco_core.data.load import load_graph

            conversion.read_graph(load_graph(source, undirected=False, **loading))
        else:
            if loading := {key: value for key, value in loading.items() if key not in ("root", "registry")}:
                raise SpecError(
                    Problem("ECO103", f"A list of edges has no parameter {next(iter(loading))!r}.", "Leave it out.")
                )
            conversion.read_tables(*tables)
        conversion.finish(n_classes)
    return out


def _check_options(normalize_features: str, n_classes: int | None) -> None:
    problems: list[Problem] = []
    checked_classes(n_classes, problems)
    if normalize_features not in ("none", "row"):
        found = f"normalize_features is {normalize_features!r}; expected 'none' or 'row'."
        problems.append(Problem("ECO104", found, "Use --normalize-features row, or leave it out."))
    if problems:
        raise SpecError(*problems)


def _tables_of(
    source: Any, features: str | Path | None, labels: str | Path | None, no_features: bool
) -> tuple[Path, Path | None, Path | None] | None:
    """Returns the files of edges, features and labels; None if the source is not a list of edges."""
    path = Path(source).expanduser() if isinstance(source, (str, Path)) else None
    options = {"--features": features, "--labels": labels, "--no-features": no_features or None}
    given = [name for name, value in options.items() if value is not None]
    if path is not None and path.is_dir() and not is_on_disk(path) and (path / "edges.csv").is_file() and not given:
        own = path / "labels.csv"
        if not any((path / f"{name}.csv").is_file() for name in ("nodes", "node")):
            return path / "edges.csv", _existing(path / "features.csv"), own if own.is_file() else None
        return None
    if path is None or path.suffix.lower() not in TABLES or path.is_dir():
        if given:
            raise SpecError(
                Problem(
                    "ECO104",
                    f"{' and '.join(given)} was given, but {source} is a whole graph.",
                    f"Leave it out, or give a list of edges: {', '.join(TABLES)}.",
                )
            )
        return None
    if (features is None) != no_features:
        raise SpecError(
            Problem(
                "ECO104",
                "Both --features and --no-features were given."
                if no_features
                else f"{path} has edges, but no features.",
                "Name the nodes' features with --features FILE, or use --no-features: then the only feature is the "
                "logarithm of 1 + the number of a node's neighbours.",
            )
        )
    tables = [None if file is None else _existing(Path(file).expanduser()) for file in (features, labels)]
    files = [_existing(path), *tables]
    unknown = [file for file in files if file is not None and file.suffix.lower() not in TABLES]
    if unknown:
        raise DataError(
            Problem("ECO302", f"The format of {unknown[0]} is not known.", f"Expected one of {', '.join(TABLES)}.")
        )
    return path, tables[0], tables[1]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(Problem("ECO301", f"There is no file {str(path)!r}.", "Mend the path."))
    return path


@contextlib.contextmanager
def _new_folder(out: Path, force: bool, progress: Callable[[str], None]) -> Iterator[Path]:
    """Context manager: makes a temporary folder; renames it to ``out`` if the block succeeds, else removes it."""
    replaces = out.exists() and not (out.is_dir() and not any(out.iterdir()))
    if replaces and not force:
        raise DataError(Problem("ECO306", f"{out} exists.", "Give another --out, or --force to replace the graph."))
    if replaces:
        try:
            read_manifest(out)
        except DataError as error:
            raise DataError(
                Problem("ECO306", f"{out} is not a graph on disk, and is not replaced.", "Give another --out.")
            ) from error
    folder, old = out.with_name(out.name + UNFINISHED), out.with_name(out.name + ".replaced")
    try:
        if folder.exists():
            progress(f"removing {folder}, which an earlier conversion did not finish")
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        yield folder
        if replaces:
            shutil.rmtree(old, ignore_errors=True)  # An earlier replacement may have been killed before removing it.
            out.rename(old)
        folder.rename(out)
        if replaces:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        reason = "the disk is full" if error.errno == errno.ENOSPC else f"{type(error).__name__}: {error}"
        raise DataError(
            Problem("ECO306", f"{out} cannot be written: {reason}.", "Make room, or give another --out.")
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Conversion:
    """The conversion of one graph: the arrays, facts and notes so far.

    Args:
        folder: The folder that the arrays are written to.
        name: The name of the graph, unless the source has a name.
        undirected: See `save_on_disk`.
        normalize: See `save_on_disk`.
        progress: See `save_on_disk`.
        portions: See `save_on_disk`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        undirected: bool,
        normalize: str,
        progress: Callable[[str], None],
        portions: Portions,
    ) -> None:
        self.portions = portions
        self.name, self.n_classes = name, None
        self.folder, self.undirected, self.normalize, self.progress = folder, undirected, normalize, progress
        self.arrays: dict[str, ArrayFile] = {}
        self.facts: dict[str, int] = {"labelled_nodes": 0}
        self.notes: list[str] = []
        self.num_nodes = 0

    # ----------------------------------------------------------------------------------------------- reading

    def read_tables(self, edges: Path, features: Path | None, labels: Path | None) -> None:
        """Converts a list of edges with its features and labels."""
        index: NodeIndex | None = None
        if features is None:
            index = NodeIndex()
        elif features.suffix.lower() == ".npy":
            self._copy_features(open_array(features), features)
        else:
            index = self._read_features(open_table(features, self.portions))
        nodes = Nodes(self.num_nodes, index, features)
        self._read_edges(edges_of_file(edges, nodes.holds, self.portions), nodes)
        if features is None:
            self._degrees_as_features()
        if labels is not None:
            self._read_labels(labels, nodes)
        if index is not None:
            self._write_ids(index.ids())

    def read_graph(self, data: Data) -> None:
        """Converts a graph that was loaded or opened."""
        self.name, self.n_classes = data.name, data.get("n_classes")
        if isinstance(data, OnDiskGraph):
            own = structure_notes(data.manifest["facts"], int(data.num_edges))
            # A source that is undirected or normalised stays so, whatever the options are.
            self.undirected |= data.manifest["undirected"]
            self.normalize = "row" if data.manifest["normalize_features"] == "row" else self.normalize
        else:
            own = describe_structure(data)
        self.notes = [note for note in data.notes if note not in own]
        self._copy_features(data.x, None)
        self._read_edges(edges_of_graph(data, self.portions), Nodes(self.num_nodes, None, None))
        if data.get("y") is not None:
            self._write_labels(data.y.numpy())
        ids = data.get("node_ids")
        if ids is not None:
            self._write_ids(ids.ids if isinstance(ids, NodeIds) else as_ids(list(map(str, ids))))

    # --------------------------------------------------------------------------------------------- features

    def _read_features(self, table: Table) -> NodeIndex:
        if table.path.suffix.lower() == ".csv" and looks_like_data(table.columns):
            raise unreadable(table.path, "the first line holds numbers, not the names of the columns")
        if len(table.columns) < 2:
            raise unreadable(table.path, f"it has {len(table.columns)} column; expected the node's id and its features")
        self.progress(f"reading features from {table.path}")
        index = NodeIndex()
        for first, (ids,), values in table.chunks([0], range(1, len(table.columns))):
            if "x" not in self.arrays:
                self._begin_features(values.shape[1], np.float32)
            before = len(index)
            numbers = index.add(ids)
            if len(index) < before + len(ids):
                # New ids get ever larger numbers, so the first number that is not larger belongs to a repeated id.
                twice = int(np.flatnonzero(np.diff(np.maximum.accumulate(numbers), prepend=before - 1) <= 0)[0])
                raise unreadable(table.path, f"node {str(ids[twice])!r} in row {first + twice} is repeated")
            self._append_features(values, first, table.path)
        if not len(index):
            raise _invalid(f"{table.path} has no rows: the graph has no nodes.")
        self.num_nodes = len(index)
        return index

    def _copy_features(self, x: Any, path: Path | None) -> None:
        """Copies features that are an array or a tensor, dense or sparse, in blocks of rows."""
        if len(x.shape) != 2 or 0 in x.shape or (isinstance(x, np.ndarray) and x.dtype.kind not in "fiub"):
            raise _invalid(f"{path} holds {x.dtype} of shape {tuple(x.shape)}; expected numbers, a row for each node.")
        self.num_nodes, width = (int(size) for size in x.shape)
        kept = np.float16 if isinstance(x, np.ndarray) and x.dtype == np.float16 else np.float32
        self._require(self.num_nodes * width * np.dtype(kept).itemsize)
        self.progress(f"copying features of {counted(self.num_nodes, 'node')}")
        self._begin_features(width, kept)
        rows = max(1, self.portions.values // width)
        for first in range(0, self.num_nodes, rows):
            self._append_features(_rows_of(x, first, first + rows), first, path)

    def _begin_features(self, width: int, dtype: Any) -> None:
        self.arrays["x"] = ArrayFile(self.folder / "x.npy", np.dtype(dtype), width)
        self.facts.update(feature_nonzeros=0, zero_rows=0)

    def _append_features(self, values: NDArray[Any], first: int, path: Path | None) -> None:
        with np.errstate(over="ignore"):  # Values that are too large become infinite, and are refused below.
            block = values.astype(self.arrays["x"].dtype, copy=False)
        if not np.isfinite(block).all():
            row, column = (int(position) for position in np.argwhere(~np.isfinite(block))[0])
            raise _invalid(
                f"A feature is {values[row, column]} in row {first + row}, column {column}"
                f"{'' if path is None else f' of {path}'}; expected finite numbers (as {block.dtype}).",
                "Replace missing values before converting, for example by the column's mean or 0.",
            )
        self.facts["feature_nonzeros"] += int(np.count_nonzero(block))
        if self.normalize == "row":
            sums = np.abs(block).sum(axis=1, keepdims=True, dtype=np.float32)
            block = (block / np.where(sums > 0, sums, 1)).astype(block.dtype)
            self.facts["zero_rows"] += int((sums == 0).sum())
        self.arrays["x"].append(block)

    def _degrees_as_features(self) -> None:
        self._begin_features(1, np.float32)
        degrees = np.diff(np.load(self.folder / "rowptr.npy", mmap_mode="r"))
        for first in range(0, self.num_nodes, self.portions.values):
            block = degrees[first : first + self.portions.values]
            self._append_features(np.log1p(block.astype(np.float64))[:, None], first, None)
        self.notes.append("no features were given: x is the logarithm of 1 + the number of a node's neighbours")

    # ------------------------------------------------------------------------------------------------ edges

    def _read_edges(self, edges: EdgeList, nodes: Nodes) -> None:
        if edges.unused:
            self.notes.append(f"{edges.name}: columns not used: {', '.join(edges.unused)}")
        grows = nodes.index is not None and nodes.path is None
        node = np.int64 if grows else self._node_type()
        work = self.folder / "work"
        work.mkdir()
        sorter = EdgeSorter(work, node, edges.weighted, self.portions)
        for first, source, target, weight in edges.chunks:
            if nodes.index is not None and grows:
                # Number the nodes in the order of the list, each edge's source before its target.
                both = nodes.index.add(interleaved(source, target))
                numbers = [both[::2], both[1::2]]
            else:
                ends = (("source", source), ("target", target))
                numbers = [nodes.numbers(ids, edges.name, first, end) for end, ids in ends]
            sorter.add(numbers[0], numbers[1], weight)
            self.progress(f"read {counted(sorter.listed, 'edge')}")
        if nodes.index is not None:
            self.num_nodes = len(nodes.index)
        if self.num_nodes == 0:
            raise _invalid(f"{edges.name} has no edges, and no features were given: the graph has no nodes.")
        self._sort(sorter)
        work.rmdir()

    def _node_type(self) -> Any:
        return np.int32 if self.num_nodes < _SMALL_NODES else np.int64

    def _sort(self, sorter: EdgeSorter) -> None:
        """Writes ``rowptr``, ``col`` and the weights."""
        self._require(sorter.room(self.undirected))
        col = self.arrays["col"] = ArrayFile(self.folder / "col.npy", np.dtype(self._node_type()))
        weight = None
        if sorter.weighted:
            weight = self.arrays["edge_weight"] = ArrayFile(self.folder / "edge_weight.npy", np.dtype(np.float32))
        found = sorter.sort(self.num_nodes, self.undirected, col, weight, self.progress)
        self._write("rowptr", found.rowptr)
        for key in ("max_degree", "isolated_nodes", "components", "self_loops"):
            self.facts[key] = getattr(found, key)
        self.facts["duplicate_edges"] = 0 if self.undirected else found.repeated
        if self.undirected and col.length != sorter.listed:
            self.notes.append(f"made undirected: {sorter.listed:,} edges became {col.length:,}, duplicates merged")
        if self.undirected and found.weights_differ:
            self.notes.append("where an edge had several weights, the largest is kept")
        self.notes += structure_notes(self.facts, col.length)

    # ------------------------------------------------------------------------------------- labels and ids

    def _read_labels(self, path: Path, nodes: Nodes) -> None:
        if path.suffix.lower() == ".npy":
            problems: list[Problem] = []
            checked = checked_labels(open_array(path), self.num_nodes, problems)
            if problems or checked is None:
                raise DataError(*problems)
            self._write_labels(checked.numpy())
            return
        table = open_table(path, self.portions)
        if len(table.columns) != 2:
            raise unreadable(path, f"it has {len(table.columns)} columns; expected node and label")
        y, codes = np.full(self.num_nodes, -2, dtype=np.int64), {"": -1, "-1": -1}
        for first, (ids, texts), _ in table.chunks([0, 1], []):
            rows = nodes.numbers(ids, str(path), first, "node")
            again = y[rows] != -2
            again[np.setdiff1d(np.arange(len(rows)), np.unique(rows, return_index=True)[1])] = True
            if again.any():
                at = int(np.flatnonzero(again)[0])
                raise unreadable(path, f"node {str(ids[at])!r} in row {first + at} has a label already")
            labels = (str(text).strip() for text in texts)
            y[rows] = [
                -1 if label.lower() in UNKNOWN_LABELS else codes.setdefault(label, len(codes) - 2) for label in labels
            ]
        names = [name for name in codes if name not in ("", "-1")]
        classes = sorted_classes(set(names))
        rank = {name: number for number, name in enumerate(classes)}
        renumbered = np.array([*(rank[name] for name in names), -1, -1], dtype=np.int64)  # The last two: -2 and -1.
        self._write_labels(renumbered[y])
        if classes and classes != [str(number) for number in range(len(classes))]:
            shown = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
            self.notes.append(f"labels numbered from 0 in this order: {shown}")

    def _write_labels(self, y: NDArray[Any]) -> None:
        self.facts["labelled_nodes"] = int(np.count_nonzero(y >= 0))
        self._write("y", y.astype(np.int64))

    def _write_ids(self, ids: Ids | None) -> None:
        if ids is None or (isinstance(ids, np.ndarray) and np.array_equal(ids, np.arange(len(ids)))):
            return
        if isinstance(ids, np.ndarray):
            self._write("node_ids", ids)
            return
        self._write("node_ids", ids.data)
        self._write("node_id_offsets", np.append(ids.starts, len(ids.data)))

    def _write(self, name: str, array: NDArray[Any]) -> None:
        self.arrays[name] = ArrayFile(self.folder / f"{name}.npy", array.dtype)
        self.arrays[name].append(array)
        self.arrays[name].close()

    # ------------------------------------------------------------------------------------------------ the end

    def finish(self, n_classes: int | None) -> None:
        """Closes the arrays and writes the manifest. If ``n_classes`` is None, the source's declared number is kept."""
        zero_rows = self.facts.pop("zero_rows")
        if self.normalize == "row":
            zeros = f", {zero_rows:,} rows are zero" if zero_rows else ""
            self.notes.append(f"features divided by row sums{zeros}")
        self.progress("computing checksums")
        entries = {}
        for key, array in self.arrays.items():
            array.close()
            entries[key] = {
                "file": array.path.name,
                "dtype": str(array.dtype),
                "shape": list(array.shape),
                "sha256": checksum(array.path),
            }
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "num_nodes": self.num_nodes,
            "num_edges": self.arrays["col"].length,
            "num_features": self.arrays["x"].shape[1],
            "undirected": self.undirected,
            "normalize_features": self.normalize,
            "n_classes": self.n_classes if n_classes is None else n_classes,
            "arrays": entries,
            "facts": self.facts,
            "notes": list(dict.fromkeys(self.notes)),
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (self.folder / MANIFEST).write_text(text, encoding="utf-8")

    def _require(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise DataError(
                Problem(
                    "ECO306",
                    f"The conversion needs another {size / 1e9:,.1f} GB on the disk of {self.folder.parent}, which has "
                    f"{free / 1e9:,.1f} GB.",
                    "Make room, or give an --out on another disk.",
                )
            )


def structure_notes(facts: Mapping[str, int], num_edges: int) -> list[str]:
    """Returns the notes of `describe_structure`, from the counts of a conversion instead of a graph in memory."""
    if num_edges == 0:
        return ["the graph has no edges"]
    kinds = (
        ("self_loops", "self-loop", " kept"),
        ("duplicate_edges", "duplicate edge", " kept"),
        ("isolated_nodes", "isolated node", ""),
    )
    return [counted(facts[key], noun) + ending for key, noun, ending in kinds if facts[key]]


def _rows_of(x: Any, first: int, last: int) -> NDArray[Any]:
    if isinstance(x, np.ndarray):
        return np.asarray(x[first:last])
    if not x.is_sparse:
        return x[first:last].numpy()
    rows = x.indices()[0]
    low, high = torch.searchsorted(rows, torch.tensor([first, last])).tolist()
    block = torch.zeros(min(last, x.shape[0]) - first, x.shape[1])
    block[rows[low:high] - first, x.indices()[1, low:high]] = x.values()[low:high]
    return block.numpy()


def _invalid(message: str, fix: str = "Give a graph with nodes.") -> DataError:
    return DataError(Problem("ECO303", message, fix))


__all__ = ["save_on_disk", "structure_notes"]
