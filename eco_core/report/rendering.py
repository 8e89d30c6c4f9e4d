"""Templates and the escaping of data within a page."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import eco_core
from eco_core.errors import Problem, RunFolderError


def escape_json(value: Any) -> str:
    """Writes data for a script element: nothing in it can end the element.

    Args:
        value: Plain data.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def has_jinja() -> bool:
    """Whether pages can be made: jinja2 is installed."""
    import importlib.util

    return importlib.util.find_spec("jinja2") is not None


def render(name: str, **values: Any) -> str:
    """Fills a template of this package.

    Args:
        name: Name of the template.
        **values: What it shows; texts are escaped.

    Raises:
        RunFolderError: ECO403, if jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise RunFolderError(
            Problem("ECO403", "Making a report needs jinja2, which is not installed.", "pip install 'eco-core[report]'")
        ) from error
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["commas"] = lambda value: f"{value:,}" if isinstance(value, (int, float)) else value or ""
    for asset in ("report.css", "report.js"):  # Written by us, so not escaped.
        values[asset.replace(".", "_")] = Markup(_source(asset))  # noqa: S704
    values["version"] = eco_core.__version__
    if "payload" in values:
        values["payload"] = Markup(values["payload"])  # noqa: S704 - `escape_json` has escaped it
    return environment.get_template(name).render(**values)


def _source(name: str) -> str:
    return (resources.files("eco_core.report") / "templates" / name).read_text(encoding="utf-8")


__all__ = ["escape_json", "has_jinja", "render"]
