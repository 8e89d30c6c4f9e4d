"""Makes graphs of tables: recognises columns, encodes them, and keeps the encoding for other tables.

The names of this package are imported on first use, so that it needs neither torch nor pandas to be imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import _lazy

if TYPE_CHECKING:
    from eco_core.data.tables.encoding import TableEncoding, read_encoding
    from eco_core.data.tables.graph import graph_of_frames
    from eco_core.data.tables.options import INDEX, TableOptions
    from eco_core.data.tables.origin import Origin
    from eco_core.data.tables.summary import column_rows, columns_text

_HOMES = {
    "INDEX": "eco_core.data.tables.options",
    "Origin": "eco_core.data.tables.origin",
    "TableEncoding": "eco_core.data.tables.encoding",
    "TableOptions": "eco_core.data.tables.options",
    "column_rows": "eco_core.data.tables.summary",
    "columns_text": "eco_core.data.tables.summary",
    "graph_of_frames": "eco_core.data.tables.graph",
    "read_encoding": "eco_core.data.tables.encoding",
}

__all__ = [
    "INDEX",
    "Origin",
    "TableEncoding",
    "TableOptions",
    "column_rows",
    "columns_text",
    "graph_of_frames",
    "read_encoding",
]

__getattr__, __dir__ = _lazy.attach(__name__, _HOMES)
