"""ECO's kernels against straightforward ways with torch, PyG, scikit-learn or scipy, and the machine's limits.

Both ways run in one process, in turn, after a check that their results agree. Start from the repository's root::

    python -m benchmarks.kernels --threads 1 --graphs cora,photo,physics --out kernels.md
    python -m benchmarks.kernels --quick

The second command runs everything on a tiny graph, to check that nothing is broken.
"""
