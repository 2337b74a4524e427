"""No route hides another, and `GET /{id}` takes 24 hex digits and nothing else."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

import pytest
from starlette.routing import BaseRoute, Match, Mount, Route

from app.config import ApiSettings
from app.server import create_app

AN_ID = "0123456789abcdefABCDEF01"
WORDS = (AN_ID, f"we_{AN_ID.lower()}", "7", "word", "a/b")
CONTRACT = {("GET", "/"), ("POST", "/upload"), ("GET", f"/{AN_ID}")}


def flat(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Every route in the order in which they are asked; an included router is a nest of its own."""
    for route in routes:
        nested = getattr(route, "original_router", None)
        if nested is not None:
            yield from flat(nested.routes)
        elif isinstance(route, Mount):
            continue
        else:
            assert isinstance(route, Route), f"a kind of route this test does not know: {route!r}"
            yield route


@cache
def all_routes() -> list[Route]:
    return list(flat(create_app(ApiSettings()).routes))


def example(route: Route) -> str:
    """A path that this route is meant for: for each parameter the first word that it takes."""
    path = route.path_format
    for name, convertor in route.param_convertors.items():
        word = next((w for w in WORDS if re.fullmatch(convertor.regex, w)), None)
        assert word is not None, f"a kind of parameter this test does not know: {convertor.regex}"
        path = path.replace(f"{{{name}}}", word)
    return path


def takers(method: str, path: str) -> list[str]:
    """The routes that would answer this request."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return [route.path for route in all_routes() if route.matches(scope)[0] is Match.FULL]


REQUESTS = sorted({(method, example(route)) for route in all_routes() for method in route.methods or ()})


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_every_request_has_one_route(method: str, path: str) -> None:
    assert len(takers(method, path)) == 1


def test_the_contract_s_routes_are_there() -> None:
    assert set(REQUESTS) >= CONTRACT


@pytest.mark.parametrize(
    "word", ["health", "metrics", "favicon.ico", AN_ID[:-1], AN_ID + "0", "g" * 24, AN_ID[:-1] + "\n"]
)
def test_only_24_hex_digits_are_an_id(word: str) -> None:
    assert not [path for path in takers("GET", f"/{word}") if "{" in path]
