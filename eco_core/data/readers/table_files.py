"""Reads a graph from a nodes table and an edges table: a folder, one or two files, or data frames."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from torch_geometric.data import Data

from eco_core.data.readers.csv_graph import graph_of_tables
from eco_core.data.readers.text_table import FrameRead, is_list, is_table, read_frame, require_tables
from eco_core.data.source import FORMATS, READERS, suffix_of
from eco_core.data.tables.encoding import TableEncoding
from eco_core.data.tables.ids import IdColumn, ids_of, may_be_ids
from eco_core.data.tables.options import TableOptions, names_of
from eco_core.data.tables.roles import ends_among, plain_name
from eco_core.errors import DataError, Problem, did_you_mean

NODES = ("nodes", "features", "node", "vertices", "attributes", "node_features", "node_table")
EDGES = ("edges", "edge", "links", "edgelist", "edge_list", "relations", "relationships", "ties")
LABELS = ("labels", "classes", "groups")


def read_tables(
    path: str | Path,
    edges: str | None = None,
    features: str | None = None,
    labels: str | None = None,
    id_column: str | None = None,
    source_column: str | None = None,
    target_column: str | None = None,
    weight_column: str | None = None,
    type_column: str | None = None,
    label_column: str | None = None,
    ignore_columns: list[str] | str | None = None,
    kinds: dict[str, str] | None = None,
    date_format: dict[str, str] | str | None = None,
    edge_types: list[str] | str | None = None,
    dangling: Literal["error", "drop"] = "error",
    scale: Literal["auto", "standard", "none"] = "auto",
    text_features: int = 64,
    text_model: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    fitted: TableEncoding | None = None,
) -> Data:
    """Reads a graph from tables: CSV and the like, also packed, or Parquet.

    Args:
        path: A folder with a nodes table (``nodes.*`` or ``features.*``), an edges table (``edges.*``) and, optionally,
            a table of labels (``labels.*``); or one of these tables.
        edges: The edges table, if ``path`` is a nodes table. Paths are relative to the folder of ``path``; if there is
            no such file, to the working directory.
        features: The nodes table, if ``path`` is an edges table.
        labels: The table of labels: node, label.
        id_column: The nodes' column of ids.
        source_column: The edges' column of sources.
        target_column: The edges' column of targets.
        weight_column: The edges' column of weights.
        type_column: The edges' column of types.
        label_column: The nodes' column of classes.
        ignore_columns: Columns that are left out.
        kinds: The kind of a column, where the recognised one is wrong.
        date_format: How dates are written, for all columns or by column: ``day-first``, ``month-first`` or a format.
        edge_types: The types of edges that are used; by default all.
        dangling: ``drop`` leaves out edges that name an unknown node; ``error`` refuses them.
        scale: ``auto``, ``standard`` or ``none``; see `TableOptions`.
        text_features: How many features a column of texts becomes at most.
        text_model: Static word embeddings for texts; see `TableOptions`.
        delimiter: The sign between the columns of a text file; by default it is found.
        encoding: The encoding of a text file; by default UTF-8, else Windows-1252.
        header: Whether text files begin with the names of the columns; by default it is found.
        fitted: The encoding of an earlier table, which is applied as it is.

    Returns:
        The graph, not yet validated; see `eco_core.data.tables.graph_of_frames`.

    Raises:
        DataError: ECO301 for missing files, ECO302 for tables that cannot be read, ECO303 for invalid values, ECO305
            for edges and labels that name unknown nodes.
    """
    options = TableOptions(
        id_column=id_column,
        source_column=source_column,
        target_column=target_column,
        weight_column=weight_column,
        type_column=type_column,
        label_column=label_column,
        ignore_columns=names_of(ignore_columns),
        kinds=dict(kinds or {}),
        date_format=date_format,
        edge_types=names_of(edge_types),
        dangling=dangling,
        scale=scale,
        text_features=text_features,
        text_model=text_model,
    )
    path = Path(path)
    said: list[str] = []
    if path.is_dir():
        files = _files_of_folder(path, edges, features, labels, said)
    else:
        files = _files(path, edges, features, labels)
    name = path.resolve().name if path.is_dir() else path.name.partition(".")[0]
    if not _has_pandas() and options == TableOptions() and fitted is None and _are_plain(files):
        return graph_of_tables(files["edges"], files["nodes"], files.get("labels"), name)
    require_tables(" and ".join(str(file) for file in files.values()))
    graph = _graph(files, name, options, (delimiter, encoding, header), fitted)
    graph.notes = [*said, *graph.notes]
    return graph


def graph_of_data_frames(
    source: Any,
    id_column: str | None = None,
    source_column: str | None = None,
    target_column: str | None = None,
    weight_column: str | None = None,
    type_column: str | None = None,
    label_column: str | None = None,
    ignore_columns: list[str] | str | None = None,
    kinds: dict[str, str] | None = None,
    date_format: dict[str, str] | str | None = None,
    edge_types: list[str] | str | None = None,
    dangling: Literal["error", "drop"] = "error",
    scale: Literal["auto", "standard", "none"] = "auto",
    text_features: int = 64,
    text_model: str | None = None,
    fitted: TableEncoding | None = None,
) -> Data:
    """Makes a graph of data frames.

    ``source`` is a pair (nodes, edges) of data frames of pandas (or of polars), either of which may be None; or a
    single one, which is an edges table if it has columns such as source and target. The other parameters are those of
    `read_tables`.
    """
    from eco_core.data.tables.graph import graph_of_frames

    require_tables("data frames")
    options = TableOptions(
        id_column=id_column,
        source_column=source_column,
        target_column=target_column,
        weight_column=weight_column,
        type_column=type_column,
        label_column=label_column,
        ignore_columns=names_of(ignore_columns),
        kinds=dict(kinds or {}),
        date_format=date_format,
        edge_types=names_of(edge_types),
        dangling=dangling,
        scale=scale,
        text_features=text_features,
        text_model=text_model,
    )
    nodes, edges = source if isinstance(source, (tuple, list)) else (source, None)
    nodes, edges = _pandas(nodes), _pandas(edges)
    if edges is None and _has_ends(nodes, options) and not isinstance(source, (tuple, list)):
        nodes, edges = None, nodes
    return graph_of_frames(nodes, edges, options, encoding=fitted)


def is_frames(source: Any) -> bool:
    """Whether a source is a data frame, or a pair of data frames and None with at least one frame."""
    if isinstance(source, (tuple, list)):
        return len(source) == 2 and any(map(_is_frame, source)) and all(s is None or _is_frame(s) for s in source)
    return _is_frame(source)


def _is_frame(source: Any) -> bool:
    return (hasattr(source, "columns") and hasattr(source, "iloc")) or (
        hasattr(source, "to_pandas") and hasattr(source, "columns")
    )


def _pandas(frame: Any) -> Any:
    return frame if frame is None or hasattr(frame, "iloc") else frame.to_pandas()


def _has_pandas() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("pandas", "pyarrow"))


def _are_plain(files: dict[str, Path]) -> bool:
    """Whether the core alone can read the tables: commas, ids and numbers."""
    return {"nodes", "edges"} <= set(files) and all(file.suffix.lower() == ".csv" for file in files.values())


def _has_ends(frame: Any, options: TableOptions) -> bool:
    names = {str(column) for column in frame.columns}
    if options.source_column in names or options.target_column in names:
        return True
    columns = {str(column): frame[column] for column in frame.columns}
    pair = ends_among([name for name, column in columns.items() if may_be_ids(column)])
    return pair is not None


def _are_edges(table: FrameRead, file: Path, options: TableOptions) -> bool:
    """Whether a single table is one of edges: by its names, as a list of edges, or as two columns without names."""
    width = int(table.frame.shape[1])
    if _has_ends(table.frame, options):
        return True
    if is_list(file):
        return file.name.lower().partition(".txt")[1] == "" or width <= 3 or not table.header
    return width == 2 and not table.header and all(_are_whole(table.frame.iloc[:, place]) for place in range(2))


def _are_whole(series: Any) -> bool:
    """Whether the texts of a column are no fractions, and so may be ids."""
    return not any("." in text and text.replace(".", "", 1).lstrip("-").isdecimal() for text in map(str, series[:200]))


def _graph(
    files: dict[str, Path],
    name: str,
    options: TableOptions,
    reading: tuple[str | None, str | None, bool | None],
    fitted: TableEncoding | None,
) -> Data:
    from eco_core.data.tables.graph import graph_of_frames

    delimiter, encoding, header = reading
    problems: list[Problem] = []

    def read(
        kind: str, is_data: Callable[[list[str]], bool] = lambda _: False, with_header: bool | None = header
    ) -> Any:
        try:
            return read_frame(files[kind], delimiter, encoding, with_header, is_data) if kind in files else None
        except DataError as error:
            problems.extend(error.problems)
            return None

    @functools.cache  # It takes seconds for millions of rows, and is needed only where a header is in doubt.
    def known(kind: str, columns: int) -> set[str]:
        """The texts that are ids in one of the first columns of a table."""
        frame = {"edges": edges, "nodes": nodes}[kind]
        if frame is None:
            return set()
        places = range(min(columns, frame.frame.shape[1]))
        return {text for place in places for text in ids_of(frame.frame.iloc[:, place]).texts}

    edges, nodes = read("edges"), None
    if "table" in files:  # A single file: its columns say what it is.
        table = read("table")
        kind = "edges" if table is not None and _are_edges(table, files["table"], options) else "nodes"
        nodes, edges = (table, None) if kind == "nodes" else (None, table)
    elif "nodes" in files:
        few = edges is not None and edges.frame.shape[1] <= 3

        def is_node(row: list[str]) -> bool:
            named = plain_name(row[0]) in ("id", "node", "name")
            return few and not named and row[0].strip() in known("edges", 3)

        nodes = read("nodes", is_node)
        if edges is not None and nodes is not None and edges.header and header is None:
            names = [str(column) for column in edges.frame.columns]
            if not _has_ends(edges.frame, options) and len(names) in (2, 3) and set(names[:2]) <= known("nodes", 3):
                edges = read("edges", lambda _: True)
    labels = read("labels", lambda row: row[0].strip() in known("nodes", 2))
    if problems:
        raise DataError(*problems)
    repairs = [note for table in (nodes, edges, labels) if table is not None for note in table.notes]
    try:
        graph = graph_of_frames(
            None if nodes is None else nodes.frame,
            None if edges is None else edges.frame,
            options,
            name=name,
            nodes_origin=None if nodes is None else nodes.origin,
            edges_origin=None if edges is None else edges.origin,
            labels=None if labels is None else labels.frame,
            labels_origin=None if labels is None else labels.origin,
            encoding=fitted,
        )
    except DataError as error:  # A wrong guess about the file may be the cause: say what was guessed.
        raise DataError(*(_with_repairs(problem, repairs) for problem in error.problems)) from error
    graph.notes = [_with_names(note, files) for note in (*repairs, *graph.notes)]
    return graph


def _with_names(note: str, files: dict[str, Path]) -> str:
    """Names the files of a note without their folder: notes are kept in run folders, which are handed on."""
    for file in files.values():
        note = note.replace(str(file), file.name)
    return note


def _with_repairs(problem: Problem, repairs: list[str]) -> Problem:
    """Adds to a problem how its table was read, if anything was guessed."""
    about = [
        f"Note: {note}." for note in repairs if problem.message.startswith(note.partition(":")[0].partition(" ")[0])
    ]
    return Problem(problem.code, problem.message, "\n".join([problem.fix, *about]).strip()) if about else problem


def _files(path: Path, edges: str | None, features: str | None, labels: str | None) -> dict[str, Path]:
    """Names the tables, if the user named one of them."""
    files: dict[str, Path] = {}
    if edges is not None:
        files = {"nodes": path, "edges": _beside(path.parent, edges)}
    elif features is not None:
        files = {"nodes": _beside(path.parent, features), "edges": path}
    else:
        stem = path.name.partition(".")[0].lower()
        is_nodes, is_edges = stem in NODES, stem in EDGES
        other = _stems(path.parent, EDGES if is_nodes else NODES) if is_nodes or is_edges else []
        if len(other) == 1:
            files = {"nodes": path, "edges": other[0]} if is_nodes else {"nodes": other[0], "edges": path}
        else:
            files = {"nodes" if is_nodes else "edges" if is_edges else "table": path}
    if labels is not None:
        files["labels"] = _beside(path.parent, labels)
    _require(files, {"edges": edges, "nodes": features, "labels": labels})
    return files


def _beside(folder: Path, name: str) -> Path:
    """The file of a name that the user gave: in the folder of the other table, else in the working directory."""
    given = Path(name).expanduser()
    here = folder / given
    return given if not here.exists() and (given.exists() or not here.parent.is_dir()) else here


def _require(files: dict[str, Path], given: dict[str, str | None]) -> None:
    """Refuses files that do not exist, by the names that the user gave."""
    flags = {"edges": "--edges", "nodes": "--set data.features=", "labels": "--set data.labels="}
    missing = [
        Problem(
            "ECO301",
            f"There is no file {given.get(kind) or str(file)!r}.",
            f"{_nearby(file)}Name the file with {flags[kind]}{' ' if kind == 'edges' else ''}FILE.",
        )
        for kind, file in files.items()
        if kind in flags and not file.is_file()
    ]
    if missing:
        raise DataError(*missing)


def _nearby(file: Path) -> str:
    try:
        names = sorted(entry.name for entry in file.parent.iterdir() if entry.is_file() and is_table(entry))
    except OSError:
        return f"The folder {str(file.parent)!r} does not exist either. "
    meant = did_you_mean(file.name, names, list_all=False)
    meant = f"{meant} " if meant else ""
    return f"{meant}In {str(file.parent)!r} there are: {', '.join(names[:8])}. " if names else ""


def _stems(folder: Path, stems: tuple[str, ...]) -> list[Path]:
    """The tables in a folder with one of these names, those with the first name that occurs."""
    lists = stems == EDGES  # Texts of other names may be anything.
    entries = (entry for entry in folder.iterdir() if entry.is_file())
    tables = sorted(entry for entry in entries if is_table(entry) or (lists and is_list(entry)))
    for stem in stems:
        found = [table for table in tables if table.name.partition(".")[0].lower() == stem]
        if found:
            return found
    return []


def _files_of_folder(
    folder: Path, edges: str | None, features: str | None, labels: str | None, said: list[str]
) -> dict[str, Path]:
    """Finds the tables of a folder by their names, or by their columns if there are only two.

    What was taken by the columns is added to ``said``.
    """
    files: dict[str, Path] = {}
    problems: list[Problem] = []
    for kind, given, stems in (("nodes", features, NODES), ("edges", edges, EDGES), ("labels", labels, LABELS[:1])):
        if given is not None:
            files[kind] = _beside(folder, given)
            continue
        found = _stems(folder, stems)
        if len(found) > 1:
            flag = "features" if kind == "nodes" else kind
            problems.append(
                Problem(
                    "ECO302",
                    f"The folder {folder} holds {' and '.join(table.name for table in found)}.",
                    f"Name the one to read: --set data.{flag}={found[0].name}.",
                )
            )
        elif found:
            files[kind] = found[0]
    if problems:
        raise DataError(*problems)
    _require(files, {"edges": edges, "nodes": features, "labels": labels})
    tables = sorted(entry for entry in folder.iterdir() if entry.is_file() and is_table(entry))
    rest = [table for table in tables if table not in files.values()]
    if len({"nodes", "edges"} & set(files)) == 1 and len(rest) == 1:
        files["nodes" if "edges" in files else "edges"] = rest[0]  # It has another name, but there is no other table.
    if {"nodes", "edges"} & set(files):
        return files
    graphs = sorted(entry for entry in folder.iterdir() if entry.is_file() and _is_other_graph(entry))
    if graphs and rest:
        raise DataError(
            Problem(
                "ECO302",
                f"The folder {folder} holds several graphs or tables: "
                f"{', '.join(file.name for file in sorted([*graphs, *rest])[:10])}.",
                f"Name the one to read, for example --data {graphs[0]}.",
            )
        )
    guessed = _by_columns(rest, said) if 0 < len(rest) <= 2 and _has_pandas() else {}
    if guessed:
        return {**files, **guessed}
    if len(rest) > 1:
        shown = ", ".join(file.name for file in rest[:10])
        raise DataError(
            Problem(
                "ECO302",
                f"The folder {folder} holds the tables {shown}; which of them are the nodes and the edges is in doubt.",
                f"Name both: --data {rest[0]} --edges {rest[1]}. Or call them nodes.csv and edges.csv.",
            )
        )
    names = sorted(entry.name for entry in folder.iterdir())
    held = ", ".join(names[:10]) + (" ..." if len(names) > 10 else "") if names else "nothing"
    fix = FORMATS + (f" Or name the file itself, for example {folder / tables[0].name}." if tables else "")
    raise DataError(
        Problem("ECO301", f"The folder {folder} holds no edges.csv and no features.csv; it holds {held}.", fix)
    )


def _is_other_graph(file: Path) -> bool:
    """Whether a file is of a format of graphs that is no table; texts of any name may be anything."""
    return suffix_of(file) in READERS and not is_table(file) and not is_list(file)


def _by_columns(tables: list[Path], said: list[str]) -> dict[str, Path]:
    """Tells tables of any name apart: one has columns named as the ends of edges, or holds the ids of the other."""
    try:
        frames = [read_frame(table).frame for table in tables]
    except DataError:
        return {}
    ends = [_has_ends(frame, TableOptions()) for frame in frames]
    if len(tables) == 1:
        return {"edges" if ends[0] else "nodes": tables[0]}
    why = "its columns are named as the ends of edges"
    if sum(ends) != 1:
        ends = [_name_rows_of(frames[0], frames[1]), _name_rows_of(frames[1], frames[0])]
        why = "two of its columns hold the ids of the other"
    if sum(ends) != 1:
        return {}
    edges, nodes = tables[ends.index(True)], tables[ends.index(False)]
    said.append(f"{edges.name} was taken as the edges, since {why}, and {nodes.name} as the nodes")
    return {"edges": edges, "nodes": nodes}


def _name_rows_of(edges: Any, nodes: Any) -> bool:
    """Whether two columns of a table mostly hold values of a column of another that differs in every row."""

    def ids(frame: Any) -> list[IdColumn]:
        return [ids_of(frame[column]) for column in list(frame.columns)[:12] if may_be_ids(frame[column])]

    own = [set(column.texts) for column in ids(edges)]
    for column in ids(nodes):
        known = set(column.texts)
        if column.is_unique and sum(2 * len(texts & known) > len(texts) for texts in own) >= 2:
            return True
    return False


__all__ = ["graph_of_data_frames", "is_frames", "read_tables"]
