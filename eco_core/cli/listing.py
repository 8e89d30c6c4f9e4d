"""``eco list``: lists the installed components, without importing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from eco_core.cli.output import discover, print_json, print_table
from eco_core.errors import EcoError, Problem, SpecError, did_you_mean
from eco_core.registry.hookspecs import TAGS, Dataset
from eco_core.registry.registry import KINDS, Entry, Registry, kind_of, plural


def list_names(
    kind: Annotated[
        str | None, typer.Argument(help="|".join(plural(kind) for kind in KINDS) + "; default all.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="TAG,TAG", help="Only components with all of these tags. May be repeated."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List installed encoders, heads, objectives, strategies, recipes, data sets and metrics."""
    registry = discover()
    kinds = [kind_of(kind)] if kind else list(KINDS)
    wanted = _tags(",".join(where), kinds) if where is not None else []
    entries = [entry for kind in kinds for entry in registry.entries(kind) if set(wanted) <= set(_tags_of(entry))]
    if where is not None:
        entries = [entry for entry in entries if entry.kind in TAGS]
    if json:
        print_json([_document(entry, registry) for entry in entries])
        return
    if not entries:
        what = plural(kinds[0]) if kind else "components"
        print(f"No {what} with {', '.join(wanted)} are installed." if wanted else f"No {what} are installed.")
        return
    if kind is None:
        rows = [
            (entry.kind, registry.short_name(entry), entry.distribution, _summary(entry, registry)) for entry in entries
        ]
        print_table(rows, ("kind", "name", "plugin", "summary"))
        return
    columns = {
        "recipe": ("name", "parts", "paper", "plugin"),
        "dataset": ("name", "classes", "size", "summary", "plugin"),
    }
    header = columns.get(kinds[0], ("name", "summary", "paper", "plugin"))
    if where is not None:
        header = ("name", "tags", "plugin")
    documents = [
        {**_document(entry, registry), "plugin": entry.distribution, "summary": _summary(entry, registry)}
        for entry in entries
    ]
    if "summary" not in header:  # Then the name shows that something is missing.
        documents = [{**one, "name": one["name"] + (" (missing)" if one["missing"] else "")} for one in documents]
    print_table([[_cell(document[column]) for column in header] for document in documents], header)


def _document(entry: Entry, registry: Registry) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": entry.kind,
        "name": registry.short_name(entry),
        "id": entry.id,
        "version": entry.version,
        "summary": entry.item.summary,
        "paper": getattr(entry.item, "paper", ""),
    }
    command = _install_command(entry, registry)
    document["missing"], document["install"] = bool(command), command
    if entry.kind == "recipe":
        document["parts"] = _parts(entry, registry)
    if entry.kind in TAGS:
        document["tags"] = list(_tags_of(entry))
    if isinstance(entry.item, Dataset):
        document.update(size=entry.item.size, licence=entry.item.licence, classes=entry.item.classes)
    return document


def _summary(entry: Entry, registry: Registry) -> str:
    command = _install_command(entry, registry)
    return f"missing ({command}): {entry.item.summary}" if command else entry.item.summary


def _install_command(entry: Entry, registry: Registry) -> str:
    """The command that installs what an entry, or a part of a recipe, needs; empty if it can be used."""
    if entry.kind != "recipe":
        return entry.install_command
    parts = _parts(entry, registry)
    for kind, name in parts.items():
        found = [part for part in registry.find_any(name) if part.kind == kind]
        if len(found) == 1 and found[0].missing:
            return found[0].install_command
    return ""


def _tags_of(entry: Entry) -> tuple[str, ...]:
    return getattr(entry.item, "tags", ())


def _tags(text: str, kinds: Sequence[str]) -> list[str]:
    """Reads the tags of ``--where``.

    Raises:
        SpecError: ECO101, if none of the kinds has such a tag.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = list(dict.fromkeys(tag for kind in kinds for tag in TAGS.get(kind, ())))
    of = f" of {plural(kinds[0])}" if len(kinds) == 1 else ""
    problems = [
        Problem(
            "ECO101",
            f"There is no tag {word!r}{of}.",
            did_you_mean(word, known) or f"{plural(kinds[0]).capitalize()} have no tags.",
        )
        for word in words
        if word not in known
    ]
    if problems:
        raise SpecError(*problems)
    return words


def _parts(entry: Entry, registry: Registry) -> dict[str, str]:
    """The names of a recipe's parts; empty if its file cannot be read (``eco show`` reports the error)."""
    from eco_core.spec.recipes import part_names, read_recipe

    try:
        return part_names(read_recipe(entry.id, registry)[0])
    except EcoError:
        return {}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(value)
    if not isinstance(value, dict):
        return str(value)
    return " + ".join(name.rpartition(":")[2] for name in value.values() if name != "none")
