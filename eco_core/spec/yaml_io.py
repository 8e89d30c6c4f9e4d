"""Reads and writes YAML safely. Unlike plain YAML 1.1, ``1e-3`` is a number, and a repeated key is an error."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from eco_core.errors import Problem, SpecError
from eco_core.spec.python_only import PythonOnly


class _Loader(yaml.SafeLoader):
    pass


# YAML 1.1 requires a dot and a signed exponent in a float, but people write 1e-3.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
            |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
            |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
            |[-+]?\.(?:inf|Inf|INF)
            |\.(?:nan|NaN|NAN))$""",
        re.X,
    ),
    list("-+0123456789."),
)


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, f"{key!r} cannot be a key", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_yaml(text: str, source: str) -> Any:
    """Parses YAML into plain Python.

    Args:
        text: The YAML.
        source: The origin of the text, for the message.

    Raises:
        SpecError: ECO106, with line and column, if the text is not valid YAML or has tags that name Python objects.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise SpecError(
            Problem("ECO106", f"{source} is not valid YAML: {error}", "Correct the line that the message names.")
        ) from error


def dump_yaml(value: Any) -> str:
    """Writes plain Python as YAML; keys keep their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    pass


# The dumper must quote a string that the loader would read as a number.
_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    text = repr(value)
    # SafeDumper writes 1e-05, which YAML 1.1 readers read as a string.
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e", 1)
    if value != value or value in (float("inf"), float("-inf")):
        text = {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[text]
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # PyYAML writes these line breaks unescaped and reads them as other characters. Double quotes make it escape them.
    unusual = any(character in value for character in "\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if unusual else None)


_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(PythonOnly, _represent_text)
_Dumper.add_representer(tuple, lambda dumper, value: dumper.represent_list(list(value)))
