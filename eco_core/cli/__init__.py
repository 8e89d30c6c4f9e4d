"""The command line: ``eco``. One module a verb; nothing heavy is imported before a verb needs it."""

from __future__ import annotations

from eco_core.cli.app import main

__all__ = ["main"]
