"""An ``.npy`` file that is written block by block; its length is known only at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


class ArrayFile:
    """Writes an ``.npy`` file one block of rows after the other.

    Args:
        path: The file.
        dtype: The dtype of the entries.
        width: Number of entries of a row; None: the array has one dimension.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], width: int | None = None) -> None:
        self.path, self.dtype = path, dtype
        self.length = 0
        self._tail = () if width is None else (width,)
        self._file = path.open("wb")
        self._write_header()
        self._begin = self._file.tell()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the rows that have been written."""
        return (self.length, *self._tail)

    def append(self, block: NDArray[Any]) -> None:
        """Appends rows to the file."""
        write_entries(self._file, np.asarray(block, dtype=self.dtype))
        self.length += len(block)

    def close(self) -> None:
        """Writes the length into the header, and closes the file."""
        if self._file.closed:
            return
        self._file.seek(0)
        self._write_header()
        # NumPy leaves room in the header for the first dimension to grow.
        if self._file.tell() != self._begin:
            raise RuntimeError(f"The header of {self._file.name} has grown into its array.")
        self._file.close()

    def _write_header(self) -> None:
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self._file, header)


def write_entries(file: BinaryIO, array: NDArray[Any]) -> None:
    """Writes the bytes of an array. Unlike ``tofile``, it raises an ``OSError`` with the cause, such as a full disk."""
    file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


__all__ = ["ArrayFile", "write_entries"]
