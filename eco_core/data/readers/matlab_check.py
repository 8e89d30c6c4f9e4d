"""Checks a MATLAB file before SciPy reads it: SciPy trusts the types and sizes in it, and wrong ones crash Python."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

_MATRIX, _PACKED = 14, 15
_WIDTH = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
"""Bytes of a number of each type of data."""

_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE = 1, 2, 3, 4, 5
_NUMBERS = range(6, 16)


def check_mat(raw: bytes) -> None:
    """Walks through the elements of a version 5 file; other versions are not looked at.

    Args:
        raw: The file.

    Raises:
        ValueError: With the name of the array or the position of what does not fit.
    """
    if len(raw) < 128 or raw[126:128] not in (b"IM", b"MI"):
        return  # Version 4, 7.3, or no such file: their readers refuse it.
    order = "<" if raw[126:128] == b"IM" else ">"
    if struct.unpack(f"{order}H", raw[124:126])[0] != 0x0100:
        return
    for kind, data, place in _elements(raw, order, 128):
        if kind == _PACKED:
            unpacked = zlib.decompress(data)
            for inner, content, _ in _elements(unpacked, order, 0):
                _check_matrix(inner, content, order, f"the array at byte {place}")
        else:
            _check_matrix(kind, data, order, f"the array at byte {place}")


def _elements(raw: bytes, order: str, place: int) -> Iterator[tuple[int, bytes, int]]:
    """Yields the type, the data and the position of each element."""
    while place < len(raw):
        if place + 8 > len(raw):
            raise ValueError(f"it ends at byte {len(raw):,}, within an element")
        first, size = struct.unpack(f"{order}II", raw[place : place + 8])
        if first >> 16:  # A small element: its data are in the tag.
            kind, size, begin, after = first & 0xFFFF, first >> 16, place + 4, place + 8
            if size > 4:
                raise ValueError(f"an element at byte {place:,} has the wrong size {size:,}")
        else:
            kind, begin = first, place + 8
            after = begin + size + (0 if kind == _PACKED else -size % 8)
        if begin + size > len(raw):
            raise ValueError(f"an element at byte {place:,} claims {size:,} bytes, more than there are")
        if kind not in _WIDTH and kind not in (_MATRIX, _PACKED):
            raise ValueError(f"an element at byte {place:,} has the unknown type {kind}")
        yield kind, raw[begin : begin + size], place
        place = after


def _check_matrix(kind: int, data: bytes, order: str, where: str) -> None:
    if kind != _MATRIX:
        raise ValueError(f"{where} is no array but an element of type {kind}")
    if not data:
        return
    parts = list(_elements(data, order, 0))
    if len(parts) < 3 or [part[0] for part in parts[:3]] != [6, 5, 1] or len(parts[0][1]) != 8:
        raise ValueError(f"{where} does not begin with its flags, its shape and its name")
    flags = struct.unpack(f"{order}I", parts[0][1][:4])[0]
    array, is_complex = flags & 0xFF, bool(flags & 0x800)
    shape = [int(size) for size in np.frombuffer(parts[1][1], f"{order}i4")]
    name = parts[2][1].decode("latin-1")
    where = f"array {name!r}" if name else where
    if min(shape, default=-1) < 0 or len(shape) < 2:
        raise ValueError(f"{where} has the shape {tuple(shape)}")
    rest, count = parts[3:], math.prod(shape)
    if array in _NUMBERS:
        _check_numbers(rest, 2 if is_complex else 1, count, where)
    elif array == _SPARSE:
        _check_sparse(rest, shape, is_complex, order, where)
    elif array == _CELL:
        if len(rest) != count:
            raise ValueError(f"{where} has {len(rest):,} cells; its shape {tuple(shape)} needs {count:,}")
        for inner, content, _ in rest:
            _check_matrix(inner, content, order, f"a cell of {where}")
    elif array == _CHAR:
        if len(rest) > 1 or any(inner not in _WIDTH for inner, _, _ in rest):
            raise ValueError(f"{where} is no text")
        if rest and len(rest[0][1]) > 4 * count:
            raise ValueError(f"{where} holds another text than its shape {tuple(shape)} says")
    elif array in (_STRUCT, _OBJECT):
        for inner, content, _ in rest:
            if inner == _MATRIX:
                _check_matrix(inner, content, order, f"a field of {where}")
    else:
        raise ValueError(f"{where} is of the unknown class {array}")


def _check_numbers(parts: list[tuple[int, bytes, int]], expected: int, count: int, where: str) -> None:
    found = [len(data) // _WIDTH[kind] if kind in _WIDTH else -1 for kind, data, _ in parts]
    if found != [count] * expected:
        raise ValueError(f"{where} has {found[0] if found else 0:,} numbers; its shape needs {count:,}")


def _check_sparse(
    parts: list[tuple[int, bytes, int]], shape: list[int], is_complex: bool, order: str, where: str
) -> None:
    if len(parts) != 3 + is_complex or len(shape) != 2 or [part[0] for part in parts[:2]] != [5, 5]:
        raise ValueError(f"{where} is no sparse matrix with rows, columns and values")
    rows = np.frombuffer(parts[0][1], f"{order}i4")
    starts = np.frombuffer(parts[1][1], f"{order}i4")
    sound = len(starts) == shape[1] + 1 and starts[0] == 0 and bool((np.diff(starts) >= 0).all())
    used = int(starts[-1]) if sound else -1
    if not sound or used > len(rows) or (used and not 0 <= rows[:used].min() <= rows[:used].max() < shape[0]):
        raise ValueError(f"{where} has entries outside of its shape {tuple(shape)}")
    if any(kind not in _WIDTH or len(data) // _WIDTH[kind] < used for kind, data, _ in parts[2:]):
        raise ValueError(f"{where} has fewer values than entries")


__all__ = ["check_mat"]
