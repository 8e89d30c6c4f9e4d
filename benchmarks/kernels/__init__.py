"""ECO's kernels against the obvious way with torch, PyG, scikit-learn or scipy, and against the machine's limits.

Both ways run in one process, in turn, after a check that they agree. Started from the root of the repository::

    python -m benchmarks.kernels --threads 1 --graphs cora,photo,physics --out kernels.md
    python -m benchmarks.kernels --quick

The second one runs everything on a tiny graph, to see that nothing is broken.
"""
