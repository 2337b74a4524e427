"""`Content-Disposition` for any name whatever: RFC 6266, with the name itself as RFC 8187 writes it.

Old clients read `filename`, which is plain ASCII without quotes; everybody else reads `filename*`.
"""

import re
from typing import Final
from urllib.parse import quote

UNFIT: Final = re.compile(r'[^ -~]|["\\%/;]')
"""Not in a quoted ASCII name: what does not print, what ends it, names a folder or may be unescaped."""


def attachment(name: str) -> str:
    """The header's value: to be saved under `name`, never to be shown."""
    plain = UNFIT.sub("_", name).strip(" .") or "document"
    exact = quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
