"""The recorded measurements, and the page that is made of them.

``side_by_side.jsonl`` is from `benchmarks.side_by_side.compare`, ``kernels.md`` is from
`benchmarks.kernels`. ``python -m benchmarks.results`` makes ``benchmarks/RESULTS.md`` of them.
"""
