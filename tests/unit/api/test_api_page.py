"""The OpenAPI document is worth reading, and `docs/api.md` is what it says."""

from functools import cache
from typing import Any

import pytest

from app.api.error_handlers import STATUS_OF
from app.api.examples import codes_in, example_of
from app.config import ApiSettings
from app.server import create_app
from docs.generate_api import TARGET, api_md

EVERYWHERE = {
    "method_not_allowed": "of an address, not of a route",
    "internal_error": "of a fault that nobody foresaw",
    "client_disconnected": "nobody is left to read it",
    "conflict": "always under a narrower code",
}
Document = dict[str, Any]


@cache
def document() -> Document:
    return create_app(ApiSettings(auth="required")).openapi()


def operations() -> list[tuple[str, Document]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    ]


def test_the_page_is_what_the_document_says() -> None:
    assert TARGET.read_text(encoding="utf-8") == api_md(), "run: python -m docs.generate_api"


def test_every_route_has_a_summary_and_a_tag() -> None:
    assert not [name for name, one in operations() if not one.get("summary") or not one.get("tags")]


def test_every_parameter_and_every_field_to_send_is_explained() -> None:
    for name, operation in operations():
        for one in operation.get("parameters", []):
            assert one.get("description") or one["schema"].get("description"), f"{name}: {one['name']}"
        form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
        for field, schema in (form["schema"]["properties"] if form else {}).items():
            assert schema.get("description"), f"{name}: {field}"


def test_every_answer_in_json_has_an_example() -> None:
    for name, operation in operations():
        for status, response in operation["responses"].items():
            for kind, body in response.get("content", {}).items():
                if kind == "application/json":
                    assert "example" in body, f"{name}: {status}"


def test_every_error_names_its_codes_under_their_own_status() -> None:
    told: set[str] = set()
    for name, operation in operations():
        for status, response in operation["responses"].items():
            if "application/problem+json" not in response.get("content", {}):
                continue
            codes = codes_in(response["description"], int(status), STATUS_OF)
            told |= set(codes)
            own_of_document = "the failure of the document" in response["description"]
            assert codes or own_of_document, f"{name}: {status} names no code: {response['description']}"
    assert set(STATUS_OF) - told == set(EVERYWHERE), "codes that no route tells of"


def test_no_error_is_described_in_another_form() -> None:
    assert "HTTPValidationError" not in str(document())


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string"}, "…"),
        ({"type": "string", "format": "date-time"}, "2026-01-31T09:00:00Z"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}, None),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, ["a"]),
        (
            {"properties": {"a": {"examples": [5]}, "b": {"$ref": "#/components/schemas/B"}}},
            {"a": 5, "b": "x"},
        ),
    ],
)
def test_an_example_is_made_of_what_the_schema_says(schema: Document, example: object) -> None:
    named = {"components": {"schemas": {"B": {"const": "x"}}}}
    assert example_of(schema, named) == example
