"""Which analyses are the same: a key over everything that decides what an analysis says."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

FRESH: Final = "fresh"
"""The option of a client that wants no finished analysis and shares its own with nobody."""


def analysis_key(
    file_id: str, owner: str, sha256: str, options: Mapping[str, Any], recipe: Mapping[str, Any]
) -> str:
    """The same for two documents exactly when one analysis would do for both.

    `options` is what the client asked for, `recipe` what the worker does with it: reader, model,
    version of the prompt, size of the pages.
    """
    wanted = {name: value for name, value in options.items() if name != FRESH}
    parts: list[Any] = [owner, sha256, wanted, dict(recipe)]
    if options.get(FRESH):
        parts.append(file_id)
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
