"""Examples for the OpenAPI document, made of the examples and kinds that the schemas name themselves."""

from typing import Any, Final

from app.api.problems import TYPE_PREFIX, title_of

REF: Final = "#/components/schemas/"
BY_FORMAT: Final = {"date-time": "2026-01-31T09:00:00Z", "uri": "https://hooks.example.com/full-rag"}
BY_TYPE: Final[dict[str, Any]] = {"string": "…", "integer": 1, "number": 1.5, "boolean": False, "null": None}
REQUEST_ID: Final = "0b0c2e5a6f1d4c8f9a7b3e2d1c0f9e8d"
JSON: Final = "application/json"


def give_examples(document: dict[str, Any], statuses: dict[str, int]) -> None:
    """An example to every JSON body, and to every problem. `statuses` says which codes there are."""
    for operations in document["paths"].values():
        for operation in operations.values():
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for body in (*bodies, *operation["responses"].values()):
                content = body.get("content", {})
                if JSON in content and "schema" in content[JSON]:
                    content[JSON].setdefault("example", example_of(content[JSON]["schema"], document))
            for status, response in operation["responses"].items():
                _problem(int(status), response, statuses)


def example_of(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """What a value by this schema could look like."""
    if "$ref" in schema:
        return example_of(document["components"]["schemas"][schema["$ref"].removeprefix(REF)], document)
    for named in ("examples", "enum"):
        if schema.get(named):
            return schema[named][0]
    if "const" in schema or "default" in schema:
        return schema.get("const", schema.get("default"))
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return example_of(schema[several][0], document)
    if "properties" in schema:
        return {name: example_of(one, document) for name, one in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema.get("items", {}), document)]
    if schema.get("type") == "object":
        return {}
    return BY_FORMAT.get(schema.get("format", ""), BY_TYPE.get(schema.get("type", "null")))


def codes_in(description: str, status: int, statuses: dict[str, int]) -> list[str]:
    """The codes that a response's description names."""
    words = description.replace(",", " ").replace(";", " ").replace(":", " ").split()
    return [word for word in words if statuses.get(word) == status]


def _problem(status: int, response: dict[str, Any], statuses: dict[str, int]) -> None:
    content = response.get("content", {}).get("application/problem+json")
    codes = codes_in(response.get("description", ""), status, statuses)
    if content is None or not codes:
        return
    response["content"] = {
        "application/problem+json": content
        | {
            "example": {
                "type": TYPE_PREFIX + codes[0],
                "title": title_of(status),
                "status": status,
                "detail": "…",
                "code": codes[0],
                "retryable": status in (429, 503, 507),
                "request_id": REQUEST_ID,
            }
        }
    }
