"""Graphs in the formats of network programs: GraphML, GEXF, GML, Pajek, METIS; read by networkx or line by line."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch_geometric.data import Data

from eco_core.data.readers.paths import existing, unreadable
from eco_core.errors import DataError, Problem
