"""ECO and PyAGC side by side: the same recipe on the same data, in alternating processes.

``compare`` runs pairs of processes and writes one line of JSON for each; ``report`` makes tables of them; ``child`` is
one process. Start them from the repository's root, by a Python that has both libraries::

    python -m benchmarks.side_by_side.compare --data cora --recipes dgi,gae --pairs 3 --out results.jsonl
    python -m benchmarks.side_by_side.report results.jsonl
"""
