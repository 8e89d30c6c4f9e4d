"""The text of a file, packed or not; and what XML alone cannot tell of a network: nodes that nobody declared."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from xml.parsers import expat

from eco_core.data.readers.paths import unreadable
from eco_core.data.validate import counted
from eco_core.errors import DataError, Problem


def bytes_of(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends with ``.gz``.

    Raises:
        DataError: ECO302, if it is empty, cannot be read, or the archive is damaged.
    """
    try:
        raw = path.read_bytes()
        if path.suffix.lower() == ".gz" and raw:
            raw = gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise unreadable(
            path, f"the archive is damaged or was cut off ({error})", "Copy or download the file again."
        ) from error
    except OSError as error:
        raise unreadable(path, error, "Copy or download the file again.") from error
    if not raw.strip():
        raise unreadable(path, "the file is empty", "Write it again.")
    return raw


def text_of(path: Path, notes: list[str]) -> str:
    """The text of a file: UTF-8 with or without a byte order mark, UTF-16 with one, else Windows-1252, which is said.

    Args:
        path: The file.
        notes: Takes a note on what was guessed.

    Raises:
        DataError: ECO302, if it is empty, cannot be unpacked, or is no text.
    """
    raw = bytes_of(path)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            notes.append(f"{path} is not UTF-8 (line {line}): it was read as Windows-1252")
            text = raw.decode("cp1252", errors="replace")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise unreadable(path, f"line {line} has zero bytes: it is not a text", "Copy or download the file again.")
    return text


def check_xml(path: Path, raw: bytes) -> list[str]:
    """Checks the nodes and edges of GraphML or GEXF, which parsers of XML join without a word.

    Args:
        path: The file, for messages.
        raw: Its text.

    Returns:
        Notes.

    Raises:
        DataError: ECO302, with the line, if it is no XML, or a node occurs twice; ECO305, if an edge names a node that
            is not declared.
    """
    first: dict[str, int] = {}
    repeated: list[tuple[int, str]] = []
    ends: list[tuple[int, str, str]] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        kind, line = name.rpartition(":")[2], parser.CurrentLineNumber
        if kind == "node":
            identifier = attributes.get("id")
            if identifier is None:
                raise unreadable(path, f"line {line}: a node has no id", "Give every node an id of its own.")
            if identifier in first:
                repeated.append((line, identifier))
            first.setdefault(identifier, line)
        elif kind == "edge":
            for end in ("source", "target"):
                if end not in attributes:
                    raise unreadable(path, f"line {line}: an edge has no {end}", "Give every edge both of its ends.")
                ends.append((line, end, attributes[end]))

    def refuse_entities(*_: object) -> None:
        raise unreadable(
            path,
            f"line {parser.CurrentLineNumber}: it declares entities, which are not read",
            "Write it again without a DOCTYPE.",
        )

    parser.StartElementHandler = start
    parser.EntityDeclHandler = refuse_entities
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise unreadable(path, f"it is no XML: {error}", "Mend the line, or write the file again.") from error
    except (ValueError, LookupError) as error:  # An encoding that is not known.
        raise unreadable(path, error, "Write it again as UTF-8.") from error
    if repeated:
        line, identifier = repeated[0]
        raise unreadable(
            path,
            f"line {line}: node {identifier!r} is already on line {first[identifier]}"
            + (f" ({counted(len(repeated) - 1, 'more node')} like this)" if len(repeated) > 1 else ""),
            "Give every node an id of its own.",
        )
    unknown = [(line, end, identifier) for line, end, identifier in ends if identifier not in first]
    if unknown:
        line, end, identifier = unknown[0]
        raise DataError(
            Problem(
                "ECO305",
                f"{path}, line {line}: {end} {identifier!r} of an edge is not a node of the file"
                + (f" ({counted(len(unknown) - 1, 'more end')} like this)." if len(unknown) > 1 else "."),
                "Declare the node, or leave the edge out.",
            )
        )
    return []


def check_pajek(path: Path, text: str) -> int:
    """Checks the numbers of vertices and edges of Pajek's format, which networkx takes as they are.

    Returns:
        The number of vertices.

    Raises:
        DataError: ECO302 and ECO305, with the line.
    """
    fix = 'Lines of vertices are: number "label"; lines of edges: number number weight.'
    lines = text.splitlines()
    section, count, listed = "", 0, dict[int, int]()
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if not cells or line.startswith("%"):
            continue
        if cells[0].startswith("*"):
            if section == "*vertices" and len(listed) != count:
                raise unreadable(path, f"line {number}: {len(listed)} of {count} vertices are listed before", fix)
            section = cells[0].lower()
            if section == "*vertices":
                if len(cells) < 2 or not cells[1].isdecimal() or not int(cells[1]):
                    raise unreadable(path, f"line {number} does not say how many vertices there are", fix)
                count = int(cells[1])
        elif section == "":
            raise unreadable(path, f"line {number}: expected *Vertices and their number", fix)
        elif section == "*vertices":
            if not cells[0].isdecimal() or not 1 <= int(cells[0]) <= count:
                raise unreadable(path, f"line {number}: {cells[0]!r} is no number from 1 to {count}", fix)
            if int(cells[0]) in listed:
                earlier = listed[int(cells[0])]
                raise unreadable(path, f"line {number}: vertex {cells[0]} is already on line {earlier}", fix)
            if line.count('"') % 2:
                raise unreadable(path, f"line {number}: a quote is opened and not closed", fix)
            listed[int(cells[0])] = number
        elif section.startswith(("*arcs", "*edges")):
            ends = cells if section.endswith("list") else cells[:2]
            if len(ends) < 2:
                raise unreadable(path, f"line {number}: an edge has two ends", fix)
            for end in ends:
                if not end.isdecimal():
                    raise unreadable(path, f"line {number}: {end!r} is not the number of a vertex", fix)
                if int(end) not in listed:
                    raise DataError(
                        Problem("ECO305", f"{path}, line {number}: there is no vertex {end}; there are {count}.", fix)
                    )
            if len(cells) > 2 and not section.endswith("list"):
                try:
                    float(cells[2])
                except ValueError:
                    reason = f"line {number}: the weight is {cells[2]!r}; expected a number"
                    raise unreadable(path, reason, fix) from None
    if section == "*vertices" and len(listed) != count:
        raise unreadable(path, f"line {len(lines)}: the file ends after {len(listed)} of {count} vertices", fix)
    if not listed:
        raise unreadable(path, "line 1: it has no vertices", fix)
    return count


__all__ = ["bytes_of", "check_pajek", "check_xml", "text_of"]
