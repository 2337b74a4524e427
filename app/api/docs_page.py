"""`/docs`: the OpenAPI document as a page, without a script and without a file from anywhere else.

The usual viewers are large programs from somebody's server that would run beside people's keys.
"""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

STYLE: Final = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
code, pre { font: 14px/1.5 ui-monospace, monospace }
pre { overflow-x: auto; padding: .5rem; border: 1px solid #8886 }
details { border: 1px solid #8886; border-radius: 6px; margin: .5rem 0; padding: .5rem 1rem }
summary { cursor: pointer } b { display: inline-block; min-width: 4.5rem }
table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid #8886; padding: .25rem .5rem; vertical-align: top }
td:first-child { white-space: nowrap; width: 1% }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
INTRO: Final = """
<p>Where a key is asked for, send it as <code>Authorization: Bearer frag_…</code> or
<code>X-API-Key: frag_…</code>.
Every error is an <code>application/problem+json</code> with <code>code</code>, <code>retryable</code> and
<code>request_id</code>. For programs: <a href="/openapi.json">/openapi.json</a>.</p>
<pre>curl -F file=@resume.pdf http://localhost:8001/upload
curl http://localhost:8001/&lt;file_id&gt;</pre>
"""


@router.get("/docs")
async def docs(request: Request) -> Response:
    document: dict[str, Any] = request.app.openapi()
    headers = {"content-security-policy": POLICY}
    return Response(page(document), media_type="text/html; charset=utf-8", headers=headers)


def page(document: dict[str, Any]) -> str:
    """The whole of it."""
    title = escape(document["info"]["title"])
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    view = '<meta name="viewport" content="width=device-width">'
    parts = [
        head,
        view,
        f"<style>{STYLE}</style><h1>{title}</h1>",
        f"<p>{_text(document['info'])}</p>",
        INTRO,
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(method.upper(), path, operation, document)
    return "".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    summary = escape(operation.get("summary", ""))
    yield f"<details><summary><b>{method}</b> <code>{escape(path)}</code> {summary}</summary>"
    yield f"<p>{_text(operation)}</p>"
    sent = [
        (f"{one['name']} ({one['in']})", _text(one)) for one in operation.get("parameters", [])
    ] + _fields(operation, document)
    if sent:
        yield "<h4>To send</h4>" + _table(sent)
    answers = [(status, _text(one)) for status, one in sorted(operation["responses"].items())]
    yield "<h4>Answers</h4>" + _table(answers) + "</details>"


def _fields(operation: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields of the body, whatever its form."""
    found = []
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = body.get("schema", {})
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        form = "form" if "form" in kind else "JSON"
        needed = schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            found.append((f"{name} ({form}{', required' if name in needed else ''})", _text(field)))
    return found


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{text}</td></tr>" for name, text in rows)
    return f"<table>{cells}</table>"


def _text(thing: dict[str, Any]) -> str:
    return escape(thing.get("description", ""))
