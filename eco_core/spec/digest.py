"""The digest of a resolved spec: two runs of the same spec have the same digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from eco_core.spec.models import GraphSpec


def spec_digest(spec: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a resolved spec, in hexadecimal; the order of keys does not matter.

    ``data.root``, the folder of data sets, is left out, because it differs between machines; and ``report``, because
    it does not change the clusters. A ``graph`` section that says nothing is left out, too: runs that were written
    before there was one have the same digest.

    Args:
        spec: A resolved spec as plain data, as `eco_core.plan.plan.Plan.resolved` and ``spec.yaml`` hold it.
    """
    data = {key: value for key, value in spec["data"].items() if key != "root"}
    counted = {key: value for key, value in spec.items() if key != "report"}
    if counted.get("graph") == GraphSpec().model_dump():
        del counted["graph"]
    text = json.dumps({**counted, "data": data}, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
