"""Two installations of ECO side by side: do they give the same figures, and do they take the same time?

Each installation is named by its Python. Everything of ECO runs in processes of these, so that the two never meet.
Started from the root of the repository, by any Python that has NumPy::

    python -m benchmarks.revisions.results --before PYTHON --after PYTHON --out runs/revisions
    python -m benchmarks.revisions.speed --before PYTHON --after PYTHON --data-root DATA --out pairs.jsonl

``comparison`` compares two run folders; ``installation`` and ``worker`` run ECO elsewhere.
"""
