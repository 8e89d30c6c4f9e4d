"""Loaders of published graphs whose raw files PyG's own data set classes read.

PyG's ``download`` and ``process`` are called, but nothing of its folders ``processed`` is read or written: these hold
pickles. Data sets whose raw files PyG unpickles are not offered here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch_geometric.data import Data

from eco_core.data.datasets.raw_files import RawFiles, are_wide_bags, load_raw
from eco_core.errors import Problem, SpecError


class _Graph(NamedTuple):
    """A graph of one of PyG's data set classes.

    Attributes:
        kind: The name of the class in ``torch_geometric.datasets``.
        arguments: The arguments of the class, without ``root``.
        url: The address of the raw files, for messages.
        folder: PyG's root below the data root; classes without a parameter ``name`` need one of their own.
        words: Whether the features are a bag of words, which can be sparse.
        read: Reads the graph from PyG's data set object and whether features are sparse; None: PyG's ``process`` does.
        notes: What users should know about the graph.
    """

    kind: str
    arguments: dict[str, Any]
    url: str
    folder: str = ""
    words: bool = False
    read: Callable[[Any, bool | None], Data] | None = None
    notes: tuple[str, ...] = ()


def _open(graph: _Graph, root: Path) -> Any:
    """PyG's data set object, whose constructor finds names of files, and neither downloads nor reads any."""
    from torch_geometric import __version__, datasets

    kind = getattr(datasets, graph.kind, None)
    if kind is None:
        raise SpecError(
            Problem(
                "ECO110",
                f"The installed torch_geometric {__version__} has no {graph.kind}.",
                "pip install --upgrade torch_geometric",
            )
        )

    class Raw(kind):  # type: ignore[misc, valid-type]
        """The class without its constructor's downloading, processing and loading, and without files of its own."""

        has_download = False
        has_process = False

        def load(self, path: str, data_cls: Any = Data) -> None:
            """Loads nothing: the file would be a pickle."""

        def save(self, data_list: list[Data], path: str) -> None:  # PyG calls it on the object: a class method there.
            """Keeps what PyG would write."""
            self.graphs = data_list

    return Raw(str(root / graph.folder), **graph.arguments)


def _load(name: str, root: str | Path | None, sparse: bool | None) -> Data:
    graph = _GRAPHS[name]

    def download(scratch: Path) -> None:
        _open(graph, scratch).download()

    def read(place: Path) -> Data:
        return _finished(name, graph, _open(graph, place), sparse)

    here = _open(graph, Path("root"))
    files = [here.raw_file_names] if isinstance(here.raw_file_names, str) else here.raw_file_names
    folder = Path(here.raw_dir).relative_to("root")
    return load_raw(RawFiles(name, folder.as_posix(), tuple(files), graph.url, download), root, read)


def _finished(name: str, graph: _Graph, dataset: Any, sparse: bool | None) -> Data:
    """The features, edges and classes of a graph, in ECO's dtypes; masks of training and test nodes are left out."""
    if graph.read is None:
        dataset.process()
        data = dataset.graphs[0]
    else:
        data = graph.read(dataset, sparse)
    x, y, notes = data.get("x"), data.get("y"), list(graph.notes)
    if x is not None:
        x = x.to(torch.float32)
        if sparse is None and not x.is_sparse:
            sparse = are_wide_bags(int(x.count_nonzero()), x.shape)
        x = x.to_sparse_coo().coalesce() if sparse and not x.is_sparse else x
    if getattr(dataset, "task", "") == "regression":
        y = None
        notes.append(f"the targets of {name} are numbers, not classes, and were left out")
    if y is not None:
        y = y.reshape(-1)
        y = (torch.where(y.isnan(), -1, y) if y.is_floating_point() else y).to(torch.int64)
    return Data(x=x, edge_index=data.edge_index.to(torch.int64), y=y, num_nodes=data.num_nodes, name=name, notes=notes)


def _read_attributed(dataset: Any, sparse: bool | None) -> Data:
    """Reads the raw files of ``AttributedGraphDataset`` as PyG does, but without making the features dense."""
    import scipy.sparse as sp

    features, edges, labels = (Path(path) for path in dataset.raw_paths)
    x = sp.load_npz(features).tocoo().astype(np.float32)
    with edges.open(encoding="utf-8") as file:
        comma = "," in file.readline()
    pairs = np.loadtxt(edges, dtype=np.int64, delimiter="," if comma else None, ndmin=2)
    y = np.loadtxt(labels, dtype=np.int64, usecols=1, ndmin=1) - 1
    if pairs.shape[1] != 2 or len(y) != x.shape[0]:
        raise ValueError(
            f"{edges.name} has {pairs.shape[1]} columns (expected 2), and {labels.name} has {len(y)} rows for "
            f"{x.shape[0]} nodes"
        )
    where = torch.from_numpy(np.stack([x.row, x.col]).astype(np.int64))
    words = torch.sparse_coo_tensor(where, torch.from_numpy(x.data), x.shape, check_invariants=False).coalesce()
    sparse = are_wide_bags(x.nnz, x.shape) if sparse is None else sparse
    return Data(
        x=words if sparse else words.to_dense(),
        edge_index=torch.from_numpy(np.ascontiguousarray(pairs.T)),
        y=torch.from_numpy(y),
    )


# --- the graphs ------------------------------------------------------------------------------------------------------


_GEOM_GCN = "https://raw.githubusercontent.com/graphdml-uiuc-jlu/geom-gcn/master"


def _wikipedia(name: str, distinct: int, nodes: int) -> _Graph:
    note = (
        f"many nodes of {name} are copies of others; {distinct:,} of {nodes:,} remain without them (Platonov et al., "
        "ICLR 2023, arXiv 2302.11640). Its classes are five ranges of traffic"
    )
    return _Graph("WikipediaNetwork", {"name": name}, _GEOM_GCN, words=True, notes=(note,))


def _heterophilous(name: str) -> _Graph:
    url = "https://github.com/yandex-research/heterophilous-graphs/raw/main/data"
    return _Graph("HeterophilousGraphDataset", {"name": name}, url)


def _attributed(name: str) -> _Graph:
    url = "https://drive.google.com (PANE, https://arxiv.org/abs/2009.00826)"
    return _Graph("AttributedGraphDataset", {"name": name}, url, words=True, read=_read_attributed)


def _graphland(name: str) -> _Graph:
    # ECO adds the reverse edges itself, and says so. The split only scales targets, which are not used.
    arguments = {"name": name, "split": "RL", "to_undirected": False}
    return _Graph("GraphLandDataset", arguments, "https://zenodo.org/records/16895532")


_GRAPHLAND = (
    *("hm-categories", "pokec-regions", "web-topics", "tolokers-2", "city-reviews", "artnet-exp", "web-fraud"),
    *("hm-prices", "avazu-ctr", "city-roads-M", "city-roads-L", "twitch-views", "artnet-views", "web-traffic"),
)
_HETEROPHILOUS = ("roman-empire", "amazon-ratings", "minesweeper", "tolokers", "questions")

_GRAPHS = {
    "wikics": _Graph(
        "WikiCS",
        {"is_undirected": False},
        "https://github.com/pmernyei/wiki-cs-dataset/raw/master/dataset",
        "WikiCS",
    ),
    "actor": _Graph("Actor", {}, _GEOM_GCN, "Actor", words=True),
    **{name: _Graph("WebKB", {"name": name}, _GEOM_GCN, words=True) for name in ("cornell", "texas", "wisconsin")},
    "chameleon": _wikipedia("chameleon", 890, 2277),
    "squirrel": _wikipedia("squirrel", 2223, 5201),
    "flickr": _Graph("Flickr", {}, "https://drive.google.com (GraphSAINT, https://arxiv.org/abs/1907.04931)", "Flickr"),
    "reddit": _Graph("Reddit", {}, "https://data.dgl.ai/dataset/reddit.zip", "Reddit"),
    **{name: _heterophilous(name) for name in _HETEROPHILOUS},
    "wiki": _attributed("wiki"),
    "blogcatalog": _attributed("blogcatalog"),
    "attributed-flickr": _attributed("flickr"),
    **{name: _graphland(name) for name in _GRAPHLAND},
    "polblogs": _Graph("PolBlogs", {}, "https://netset.telecom-paris.fr/datasets/polblogs.tar.gz", "PolBlogs"),
    "email-eu-core": _Graph("EmailEUCore", {}, "https://snap.stanford.edu/data", "EmailEUCore"),
}
"""The graphs by the name of their data set. Files and folders are those of PyG, with the data root as its ``root``."""


def _loader_of(name: str) -> Callable[..., Data]:
    graph = _GRAPHS[name]
    if graph.words:

        def load(root: str | Path | None = None, sparse: bool | None = None) -> Data:
            return _load(name, root, sparse)

    else:

        def load(root: str | Path | None = None) -> Data:  # type: ignore[misc]
            return _load(name, root, False)

    load.__name__ = load.__qualname__ = name.replace("-", "_").lower()
    load.__doc__ = f"""The graph {name} of PyG's ``{graph.kind}``.

    Args:
        root: The data root; by default `default_root`. Missing files are downloaded.{
        '''
        sparse: Whether the features are sparse COO; None: if they are wide and mostly zero.'''
        if graph.words
        else ""
    }

    Returns:
        Float32 ``x`` (no ``x`` if the data set has no features), int64 ``edge_index``, and int64 ``y`` if it has
        classes, -1 where unknown. ``notes`` say what users should know.

    Raises:
        DataError: ECO304, if the files are missing and cannot be downloaded; ECO302, if they cannot be read.
        SpecError: ECO110, if the installed PyG has no such class.
    """
    return load


wikics, actor, flickr, reddit = (_loader_of(name) for name in ("wikics", "actor", "flickr", "reddit"))
cornell, texas, wisconsin = (_loader_of(name) for name in ("cornell", "texas", "wisconsin"))
chameleon, squirrel = _loader_of("chameleon"), _loader_of("squirrel")
roman_empire, amazon_ratings, minesweeper, tolokers, questions = map(_loader_of, _HETEROPHILOUS)
wiki, blogcatalog, attributed_flickr = map(_loader_of, ("wiki", "blogcatalog", "attributed-flickr"))
hm_categories, pokec_regions, web_topics, tolokers_2, city_reviews, artnet_exp, web_fraud = map(
    _loader_of, _GRAPHLAND[:7]
)
hm_prices, avazu_ctr, city_roads_m, city_roads_l, twitch_views, artnet_views, web_traffic = map(
    _loader_of, _GRAPHLAND[7:]
)
polblogs, email_eu_core = _loader_of("polblogs"), _loader_of("email-eu-core")
