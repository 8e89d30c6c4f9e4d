"""Two installations of ECO side by side: do they give the same figures, and do they take the same time?

Each installation is named by its Python. ECO runs only in processes of these Pythons, so that the two installations
never mix. Start from the repository's root, by any Python that has NumPy::

    python -m benchmarks.revisions.results --before PYTHON --after PYTHON --out runs/revisions
    python -m benchmarks.revisions.speed --before PYTHON --after PYTHON --data-root DATA --out pairs.jsonl

``comparison`` compares two run folders; ``installation`` and ``worker`` run ECO in an installation.
"""
