"""Writes `docs/api.md` from the OpenAPI document: `python -m docs.generate_api`. A test compares the two."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from app.api.error_handlers import RETRY_AFTER_S, STATUS_OF
from app.api.problems import title_of
from app.config import ApiSettings
from app.server import create_app

TARGET: Final = Path(__file__).with_name("api.md")
BASE: Final = "http://localhost:8001"
JSON: Final = "application/json"
REF: Final = "#/components/schemas/"
IN_PATHS: Final = {
    "file_id": "65f1c0ffee65f1c0ffee65f1",
    "batch_id": "65f1c0ffee65f1c0ffee65f1",
    "endpoint_id": "we_65f1c0ffee65f1c0ffee65f1",
    "delivery_id": "msg_5f0c2f4be0ad3e2b6a9d7c11.upload",
    "n": "1",
}
INTRO: Final = f"""# The API, route by route

Written by `python -m docs.generate_api` from the OpenAPI document (`/openapi.json`); do not edit.

Where a key is asked for, send it as `Authorization: Bearer frag_…` or `X-API-Key: frag_…`; the examples leave
it out. Times are in UTC, as in `2026-01-31T09:00:00Z`. Another owner's documents are not found.

```sh
curl -F file=@resume.pdf {BASE}/upload
curl '{BASE}/65f1c0ffee65f1c0ffee65f1?wait=30'
curl {BASE}/65f1c0ffee65f1c0ffee65f1/result
```

Every error is an `application/problem+json` (RFC 9457): branch on `code`, show `detail`, log `request_id`.
"""
Document = dict[str, Any]


def main() -> None:
    TARGET.write_text(api_md(), encoding="utf-8")


def api_md() -> str:
    """The whole page."""
    document = create_app(ApiSettings(auth="required")).openapi()
    lines = [INTRO, *_errors()]
    for tag in _tags(document):
        lines += [f"## {tag.capitalize()}", ""]
        for path, method, operation in _operations(document):
            if operation["tags"][0] == tag:
                lines += _route(path, method, operation, document)
    lines += ["## Bodies", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _schema(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _errors() -> Iterator[str]:
    yield from ("## Errors", "", "| code | status | try again |", "|---|---|---|")
    for code, status in sorted(STATUS_OF.items(), key=lambda one: (one[1], one[0])):
        seconds = RETRY_AFTER_S.get(code)
        again = f"after {seconds} s (`Retry-After`)" if seconds else "as `Retry-After` says" * (status == 429)
        yield f"| `{code}` | {status} {title_of(status)} | {again or '–'} |"
    yield ""


def _tags(document: Document) -> list[str]:
    return list(dict.fromkeys(operation["tags"][0] for _, _, operation in _operations(document)))


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method.upper(), operation


def _route(path: str, method: str, operation: Document, document: Document) -> Iterator[str]:
    yield from (f"### `{method} {path}`", "", f"{operation['summary']}.", "")
    if operation.get("description"):
        yield from (operation["description"], "")
    yield from ("```sh", _curl(path, method, operation), "```", "")
    rows = [*_parameters(operation), *_body_fields(operation, document)]
    if rows:
        yield from ("| to send | where | meaning |", "|---|---|---|", *rows, "")
    yield from ("| answer | meaning |", "|---|---|")
    for status, response in sorted(operation["responses"].items()):
        yield f"| {status} | {_cell(_answer(response))} |"
    yield ""
    yield from _example(operation)


def _curl(path: str, method: str, operation: Document) -> str:
    words = ["curl"] + ([f"-X {method}"] if method != "GET" else [])
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        words = ["curl", "-F file=@resume.pdf"]
    elif JSON in content:
        words = [
            "curl",
            "-H 'content-type: application/json'",
            f"-d '{json.dumps(content[JSON]['example'])}'",
        ]
    return " ".join([*words, BASE + path.format_map(IN_PATHS)])


def _parameters(operation: Document) -> Iterator[str]:
    for one in operation.get("parameters", []):
        schema = one.get("schema", {})
        meaning = one.get("description") or schema.get("description", "")
        yield f"| `{one['name']}` | {one['in']}{_kind(schema)} | {_cell(meaning)} |"


def _body_fields(operation: Document, document: Document) -> Iterator[str]:
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = body.get("schema", {})
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].removeprefix(REF)]
        place = "form" if "form" in kind else "JSON"
        for name, field in schema.get("properties", {}).items():
            needed = ", required" if name in schema.get("required", []) else ""
            yield f"| `{name}` | {place}{needed} | {_cell(field.get('description', ''))} |"


def _answer(response: Document) -> str:
    text = response["description"]
    models = [_type(body["schema"]) for body in response.get("content", {}).values() if "schema" in body]
    shown = [one for one in dict.fromkeys(models) if one.startswith("[") and "Problem" not in one]
    return text + (f" → {', '.join(shown)}" if shown else "")


def _example(operation: Document) -> Iterator[str]:
    """Of the first good answer in JSON."""
    for status, response in sorted(operation["responses"].items()):
        example = response.get("content", {}).get(JSON, {}).get("example")
        if status.startswith("2") and example is not None:
            yield from ("```json", json.dumps(example, indent=2, ensure_ascii=False), "```", "")
            return


def _schema(name: str, schema: Document) -> Iterator[str]:
    yield from (f"### {name}", "")
    if schema.get("description"):
        yield from (schema["description"], "")
    if "enum" in schema:
        yield from (", ".join(f"`{value}`" for value in schema["enum"]), "")
    if "properties" in schema:
        yield from ("| field | type | meaning |", "|---|---|---|")
        for field, kind in schema["properties"].items():
            yield f"| `{field}` | {_type(kind)} | {_cell(kind.get('description', ''))} |"
        yield ""


def _type(schema: Document) -> str:
    """As a reader wants it: a link for a body of its own."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[several]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "anything"))


def _kind(schema: Document) -> str:
    """The values that may be given, where they are few, and the default."""
    parts = [
        ", ".join(f"`{value}`" for value in one["enum"])
        for one in [schema, *schema.get("anyOf", [])]
        if "enum" in one
    ]
    if schema.get("default") is not None:
        parts.append(f"default `{schema['default']}`")
    return f" ({'; '.join(parts)})" if parts else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
