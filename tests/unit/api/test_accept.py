"""The `Accept` header: which form a client is given."""

import pytest

from app.api.accept import preferred

OFFERED = ("text/markdown", "application/json", "text/plain")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/markdown"),
        ("", "text/markdown"),
        ("*/*", "text/markdown"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
        ("text/*", "text/markdown"),
        ("text/*;q=0.5, application/json;q=0.4", "text/markdown"),
        ("text/plain, text/markdown;q=0.9", "text/plain"),
        ("text/markdown;q=0, text/*", "text/plain"),
        ("*/*;q=0.1, text/plain;q=0.2", "text/plain"),
        ("application/json;q=nonsense, */*;q=0.1", "text/markdown"),
        ("image/png", None),
        ("*/*;q=0", None),
    ],
)
def test_the_client_gets_what_it_wants_most(accept: str | None, kind: str | None) -> None:
    assert preferred(accept, OFFERED) == kind
