"""The records of the data sets that come with the core. Light: no torch."""

from __future__ import annotations

from eco_core.registry.hookspecs import Dataset

_MODULE = "eco_core.data.datasets.published"


def _pyg(
    name: str,
    size: str,
    summary: str,
    licence: str,
    classes: int | None = None,
    requires: tuple[str, ...] = (),
    module: str = "pyg",
) -> Dataset:
    """The record of a data set whose loader has its name, with underscores and in lower case."""
    target = f"eco_core.data.datasets.{module}:{name.replace('-', '_').lower()}"
    extra = {(): "", ("pandas",): "tables", ("ogb",): "ogb"}[requires]
    return Dataset(name, target, summary, size, f"{licence}; see there for the licence", classes, requires, extra)


def _full(name: str, size: str, summary: str, classes: int) -> Dataset:
    licence = "Bojchevski & Günnemann, ICLR 2018, arXiv 1707.03815"
    return _pyg(name, size, f"{summary} (CitationFull)", licence, classes, module="published")


def _web(name: str, size: str, summary: str) -> Dataset:
    return _pyg(name, size, summary, "Geom-GCN, Pei et al., ICLR 2020, arXiv 2002.05287", 5)


def _heterophilous(name: str, size: str, summary: str, classes: int) -> Dataset:
    licence = "Platonov et al., ICLR 2023, arXiv 2302.11640"
    return _pyg(name, size, f"{summary} (heterophilous)", licence, classes)


def _attributed(name: str, size: str, summary: str, classes: int) -> Dataset:
    licence = "PANE, Yang et al., VLDB 2020, arXiv 2009.00826"
    return _pyg(name, size, f"{summary} (attributed graphs)", licence, classes)


def _graphland(name: str, size: str, summary: str, classes: int | None = None) -> Dataset:
    licence = "GraphLand, Bazhenov et al., 2025, arXiv 2409.14500"
    return _pyg(name, size, f"{summary} (GraphLand)", licence, classes, ("pandas",))


def _ogb(name: str, size: str, summary: str, classes: int) -> Dataset:
    licence = "Open Graph Benchmark, Hu et al., NeurIPS 2020, arXiv 2005.00687"
    return _pyg(name, size, f"{summary} (Open Graph Benchmark)", licence, classes, ("ogb",), "ogb")


DATASETS: tuple[Dataset, ...] = (
    Dataset(
        "digits",
        f"{_MODULE}:digits",
        summary="Handwritten digits as a k-nearest-neighbour graph (comes with ECO)",
        size="1,797 nodes, 24,678 edges at k=10, 64 features",
        licence="CC BY 4.0 (UCI Optical Recognition of Handwritten Digits)",
        classes=10,
    ),
    Dataset(
        "karate",
        f"{_MODULE}:karate",
        summary="Zachary's karate club with identity features (comes with PyTorch Geometric)",
        size="34 nodes, 156 edges, 34 features",
        licence="Published in Zachary, J. Anthropol. Res. 1977",
        classes=4,
    ),
    Dataset(
        "sbm",
        "eco_core.data.datasets.sbm:sbm",
        summary="Attributed stochastic block model of any size (generated; data.num_nodes, data.n_blocks ...)",
        size="as asked for; by default 1,000 nodes, 10,000 edges, 32 features",
        licence="Generated",
        classes=None,
    ),
    Dataset(
        "cora",
        f"{_MODULE}:cora",
        summary="Citations between machine learning papers, bag of words (Planetoid)",
        size="2,708 nodes, 10,556 edges, 1,433 features",
        licence="Planetoid, Yang et al., ICML 2016, arXiv 1603.08861; no licence stated",
        classes=7,
    ),
    Dataset(
        "citeseer",
        f"{_MODULE}:citeseer",
        summary="Citations between computer science papers, bag of words (Planetoid)",
        size="3,327 nodes, 9,104 edges, 3,703 features",
        licence="Planetoid, Yang et al., ICML 2016, arXiv 1603.08861; no licence stated",
        classes=6,
    ),
    Dataset(
        "pubmed",
        f"{_MODULE}:pubmed",
        summary="Citations between papers on diabetes, TF-IDF (Planetoid)",
        size="19,717 nodes, 88,648 edges, 500 features",
        licence="Planetoid, Yang et al., ICML 2016, arXiv 1603.08861; no licence stated",
        classes=3,
    ),
    Dataset(
        "photo",
        f"{_MODULE}:photo",
        summary="Photography goods bought together, bag of words of their reviews (Amazon)",
        size="7,650 nodes, 238,162 edges, 745 features",
        licence="gnn-benchmark (MIT), Shchur et al., 2018, arXiv 1811.05868",
        classes=8,
    ),
    Dataset(
        "computers",
        f"{_MODULE}:computers",
        summary="Computer goods bought together, bag of words of their reviews (Amazon)",
        size="13,752 nodes, 491,722 edges, 767 features",
        licence="gnn-benchmark (MIT), Shchur et al., 2018, arXiv 1811.05868",
        classes=10,
    ),
    Dataset(
        "cs",
        f"{_MODULE}:cs",
        summary="Co-authors in computer science, keywords of their papers (Coauthor)",
        size="18,333 nodes, 163,788 edges, 6,805 features",
        licence="gnn-benchmark (MIT), Shchur et al., 2018, arXiv 1811.05868",
        classes=15,
    ),
    Dataset(
        "physics",
        f"{_MODULE}:physics",
        summary="Co-authors in physics, keywords of their papers (Coauthor)",
        size="34,493 nodes, 495,924 edges, 8,415 features",
        licence="gnn-benchmark (MIT), Shchur et al., 2018, arXiv 1811.05868",
        classes=5,
    ),
    _full("cora-full", "19,793 nodes, 126,842 edges, 8,710 features", "Cora with all of its papers and classes", 70),
    _full("cora-ml", "2,995 nodes, 16,316 edges, 2,879 features", "Papers on machine learning", 7),
    _full("citeseer-full", "4,230 nodes, 10,674 edges, 602 features", "Papers on computer science", 6),
    _full("dblp", "17,716 nodes, 105,734 edges, 1,639 features", "Papers on computer science", 4),
    _full("pubmed-full", "19,717 nodes, 88,648 edges, 500 features", "Papers on diabetes, binary words", 3),
    _pyg(
        "wikics",
        "11,701 nodes, 216,123 links, 300 features",
        "Wikipedia's articles on computer science, averaged word vectors",
        "Mernyei & Cangea, 2020, arXiv 2007.02901",
        10,
    ),
    _web("actor", "7,600 nodes, 30,019 directed edges, 932 features", "Actors named on the same page, keywords"),
    _web("cornell", "183 nodes, 298 directed edges, 1,703 features", "Web pages of a university, words (WebKB)"),
    _web("texas", "183 nodes, 325 directed edges, 1,703 features", "Web pages of a university, words (WebKB)"),
    _web("wisconsin", "251 nodes, 515 directed edges, 1,703 features", "Web pages of a university, words (WebKB)"),
    _web(
        "chameleon",
        "2,277 nodes, 36,101 directed edges, 2,325 features",
        "Wikipedia pages, nouns; many copies of nodes (WikipediaNetwork)",
    ),
    _web(
        "squirrel",
        "5,201 nodes, 217,073 directed edges, 2,089 features",
        "Wikipedia pages, nouns; many copies of nodes (WikipediaNetwork)",
    ),
    _heterophilous("roman-empire", "22,662 nodes, 65,854 edges, 300 features", "Words of one article, by syntax", 18),
    _heterophilous(
        "amazon-ratings", "24,492 nodes, 186,100 edges, 300 features", "Goods bought together, by rating", 5
    ),
    _heterophilous("minesweeper", "10,000 nodes, 78,804 edges, 7 features", "A grid with mines", 2),
    _heterophilous("tolokers", "11,758 nodes, 1,038,000 edges, 10 features", "Workers on the same tasks, by ban", 2),
    _heterophilous("questions", "48,921 nodes, 307,080 edges, 301 features", "Users who answered each other", 2),
    _attributed("wiki", "2,405 nodes, 17,981 directed edges, 4,973 features", "Wikipedia pages, TF-IDF", 17),
    _attributed("blogcatalog", "5,196 nodes, 343,486 edges, 8,189 features", "Bloggers, keywords of their blogs", 6),
    _attributed("attributed-flickr", "7,575 nodes, 479,476 edges, 12,047 features", "Photographers, their tags", 9),
    _pyg(
        "flickr",
        "89,250 nodes, 899,756 edges, 500 features",
        "Images that share properties, bag of words",
        "GraphSAINT, Zeng et al., ICLR 2020, arXiv 1907.04931",
        7,
    ),
    _pyg(
        "reddit",
        "232,965 nodes, 114,615,892 edges, 602 features",
        "Posts that the same users commented, averaged word vectors",
        "GraphSAGE, Hamilton et al., NeurIPS 2017, arXiv 1706.02216",
        41,
    ),
    _pyg(
        "polblogs",
        "1,490 nodes, 19,025 directed edges, no features",
        "Links between political blogs",
        "Adamic & Glance, LinkKDD 2005",
        2,
        ("pandas",),
    ),
    _pyg(
        "email-eu-core",
        "1,005 nodes, 25,571 directed edges, no features",
        "E-mails of an institution, by department",
        "SNAP, Yin et al., KDD 2017",
        42,
        ("pandas",),
    ),
    _ogb("ogbn-arxiv", "169,343 nodes, 1,166,243 directed edges, 128 features", "Papers on arXiv", 40),
    _ogb("ogbn-products", "2,449,029 nodes, 123,718,280 edges, 100 features", "Goods bought together", 47),
    _ogb(
        "ogbn-papers100M",
        "111,059,956 nodes, 1,615,685,872 directed edges, 128 features",
        "Papers, 57 GB of files, not downloaded unasked",
        172,
    ),
    _graphland("hm-categories", "46,563 nodes, 21,461,990 edges", "Products bought together, by category"),
    _graphland("pokec-regions", "1,632,803 nodes, 30,622,564 directed edges", "A social network, by region"),
    _graphland("web-topics", "2,890,331 nodes, 12,895,369 directed edges", "Web sites, by topic"),
    _graphland("tolokers-2", "11,758 nodes, 1,038,000 edges", "Workers on the same tasks, by ban", 2),
    _graphland("city-reviews", "148,801 nodes, 2,330,830 edges", "Reviewers of places, by fraud", 2),
    _graphland("artnet-exp", "50,405 nodes, 560,696 edges", "A network of artists, by explicit content", 2),
    _graphland("web-fraud", "2,890,331 nodes, 12,895,369 directed edges", "Web sites, by fraud", 2),
    _graphland("hm-prices", "46,563 nodes, 21,461,990 edges", "Products bought together; no classes"),
    _graphland("avazu-ctr", "76,269 nodes, 21,968,154 edges", "Devices that visit the same sites; no classes"),
    _graphland("city-roads-M", "57,073 nodes, 132,571 directed edges", "Roads of a city; no classes"),
    _graphland("city-roads-L", "142,257 nodes, 279,062 directed edges", "Roads of a larger city; no classes"),
    _graphland("twitch-views", "168,114 nodes, 13,595,114 edges", "Streamers with a common audience; no classes"),
    _graphland("artnet-views", "50,405 nodes, 560,696 edges", "A network of artists; no classes"),
    _graphland("web-traffic", "2,890,331 nodes, 12,895,369 directed edges", "Web sites; no classes"),
)
"""Every data set of the core; the built-in plugin yields them."""
