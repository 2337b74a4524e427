"""The OpenAPI document: what the routes say of themselves, and what holds for all of them."""

from typing import Any, Final

from fastapi import FastAPI

from app.api.access import is_public
from app.api.error_handlers import STATUS_OF
from app.api.examples import give_examples
from app.api.schemas import Problem, problems

SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, frag_…"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key"},
}
FOR_ALL: Final = problems(
    s400="key_in_query",
    s401="key_missing, key_invalid, key_expired, key_revoked",
    s403="scope_missing; while no key is asked for: host_refused, origin_refused",
    s429="rate_limited (Retry-After says when to try again)",
    s503="unavailable",
)
"""Of every route that needs a key, before it is reached."""
INVALID: Final = problems(s422="invalid_request")[422]
FRAMEWORKS: Final = ("HTTPValidationError", "ValidationError")
"""What the framework would answer to an invalid request; ours are problems like all others."""
OPTIONAL: Final[dict[str, list[str]]] = {}


def describe(app: FastAPI, keys_required: bool) -> None:
    """Have `app` describe itself so."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        components = document["components"]
        components["schemas"]["Problem"] = Problem.model_json_schema()
        components["securitySchemes"] = SCHEMES
        for name in FRAMEWORKS:
            components["schemas"].pop(name, None)
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _told_by_us(operation["responses"])
                if not is_public(path):
                    _gated(operation, keys_required)
        give_examples(document, STATUS_OF)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _told_by_us(responses: dict[str, Any]) -> None:
    if FRAMEWORKS[0] in str(responses.get("422")):
        responses["422"] = INVALID


def _gated(operation: dict[str, Any], keys_required: bool) -> None:
    keys: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
    operation["security"] = keys if keys_required else [OPTIONAL, *keys]
    responses = operation["responses"]
    for status, response in FOR_ALL.items():
        mine = responses.setdefault(str(status), response)
        if response["description"] not in mine["description"]:
            responses[str(status)] = mine | {
                "description": f"{mine['description']}, {response['description']}"
            }
