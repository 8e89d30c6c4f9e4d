"""The command line ``eco``: one module for each verb. Heavy packages are imported only when a verb needs them."""

from __future__ import annotations

from eco_core.cli.app import main

__all__ = ["main"]
