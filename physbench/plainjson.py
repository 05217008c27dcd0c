"""JSON that every reader accepts: without NaN or infinity."""

import json
import math
from typing import Any, cast


def dump(value: Any) -> str:
    """Return a value as JSON; NaN and infinite numbers become null."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in cast("list[Any]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
