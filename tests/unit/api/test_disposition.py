"""`Content-Disposition`: whatever a file is called, the header is one line that says so."""

import re
from urllib.parse import unquote

import pytest

from app.api.disposition import attachment

FORM = re.compile(r"attachment; filename=\"([ -~]+)\"; filename\*=UTF-8''([A-Za-z0-9%._~-]+)")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("resume.pdf", "resume.pdf"),
        ("my resume.pdf", "my resume.pdf"),
        ('"quoted" \\ back.pdf', "_quoted_ _ back.pdf"),
        ("two\r\nSet-Cookie: a=b.pdf", "two__Set-Cookie: a=b.pdf"),
        ("\u202efdp.exe", "_fdp.exe"),
        ("سيرة.pdf", "____.pdf"),
        ("Résumé 履歴 📄.pdf", "R_sum_ __ _.pdf"),
        ("100%41.pdf", "100_41.pdf"),
        ("a/b;c.pdf", "a_b_c.pdf"),
        ("..", "document"),
        ("", "document"),
        ("\ud800.pdf", "_.pdf"),
        ("ü" * 255, "_" * 255),
    ],
)
def test_any_name_is_told_safely(name: str, plain: str) -> None:
    value = attachment(name)
    value.encode("latin-1")
    found = re.fullmatch(FORM, value) if name else None
    if name:
        assert found is not None
        assert found[1] == plain
        assert unquote(found[2]) == name.encode("utf-8", "replace").decode()
    assert "\n" not in value and "\r" not in value
