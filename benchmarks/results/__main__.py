"""Makes ``benchmarks/RESULTS.md``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scale.report import report as scale_report
from benchmarks.side_by_side.compare import read_lines
from benchmarks.side_by_side.report import report

_HERE = Path(__file__).parent
_HEAD = """\
# Results

Made by `nox -s bench`; [README.md](README.md) explains how things are measured. Machines are shared and noisy:
compare the ratios, each of two processes or two calls that ran one after the other on the same machine."""


def main() -> None:
    """Writes the page."""
    records = read_lines(_HERE / "side_by_side.jsonl")
    kernels = (_HERE / "kernels.md").read_text(encoding="utf-8").strip()
    scale = scale_report(read_lines(_HERE / "scale.jsonl"))
    parts = [_HEAD, "# ECO and PyAGC side by side", report(records), "# Large graphs", scale, "# Kernels", kernels]
    (_HERE.parent / "RESULTS.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
