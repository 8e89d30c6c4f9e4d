"""The records of the data sets that come with the core. Light: no torch."""

from __future__ import annotations

from eco_core.registry.hookspecs import Dataset

_MODULE = "eco_core.data.datasets.published"

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
)
"""Every data set of the core; the built-in plugin yields them."""
