"""Who may import whom: one direction, no cycle, and heavy libraries only where they belong."""

import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.support.source import Import, imports, internal, modules

PRODUCER = {"q", "announce", "valkey"}
RECONCILER = {"reconciler", "reconcile_records", "reconcile_bytes", "reconcile_batches", "tally"}

OBJECTS = {"config", "observability"}
"""Handed on as objects: whoever is given one may name its type."""

MAY_IMPORT: dict[str, set[str]] = {
    "domain": set(),
    "config": {"domain", "config_access"},
    "config_access": {"domain"},
    "observability": {"domain"},
    "web": set(),
    "storage": {"domain"},
    "db": {"domain"},
    "queue.q": {"domain"},
    "queue.expiry": {"domain", "db"},
    "queue.reconciler": {"domain", "db", "queue.q", "queue.expiry"} | OBJECTS,
    "intake": {"domain", "db", "storage", "queue.q"} | OBJECTS,
    "api": {"domain", "db", "storage", "queue.q", "queue.reconciler", "intake"} | OBJECTS,
    "server": {"domain", "db", "storage", "queue.q", "queue.reconciler", "intake", "api"} | OBJECTS,
    "main": {"domain", "storage", "server"} | OBJECTS,
    "pipeline": {"domain"},
    "queue.workers": {"domain", "db", "storage", "queue.q", "queue.expiry", "pipeline"} | OBJECTS,
    "notify": {"domain", "db", "storage", "queue.q"} | OBJECTS,
    "maintenance": {"domain", "db", "storage", "queue.q", "queue.reconciler", "notify"} | OBJECTS,
    "launch": {"domain", "config", "embedded"},
    "embedded": {"launch"},
    "client": set(),
    "cli": {"domain", "db", "storage", "queue.q", "queue.workers", "pipeline", "launch", "client"} | OBJECTS,
}
"""The laws of docs/architecture.md as a table: a room, and the rooms it may know."""

ONLY_IN: dict[str, set[str]] = {
    "fastapi": {"api", "server"},
    "starlette": {"api", "server"},
    "uvicorn": {"main", "server"},
    "openai": {"pipeline"},
    "PIL": {"pipeline"},
    "pypdfium2": {"pipeline"},
    "pdf2image": {"pipeline"},
    "simplejpeg": {"pipeline", "queue.workers"},
    "numpy": {"pipeline"},
    "rq": {"queue.q", "queue.workers"},
    "obstore": {"storage"},
    "prometheus_client": {"observability", "api", "maintenance"},
    "pymongo": {"db", "queue.reconciler", "queue.workers", "api", "intake", "server", "notify", "maintenance",
                "embedded", "launch", "cli"},
}  # fmt: skip
"""Libraries that belong to a few rooms."""

LAUNCHED_TOGETHER = {"embedded", "launch"}
"""The launcher starts the embedded stores, and these use its way of starting a child: one room, two names."""


def room(module: str) -> str:
    """The room a module belongs to; `app/queue` holds three."""
    _, _, rest = module.partition(".")
    first, _, second = rest.partition(".")
    if first.startswith("config_"):
        return "config"
    if first != "queue" or not second:
        return first
    name = second.split(".")[0]
    if name in PRODUCER:
        return "queue.q"
    if name in RECONCILER:
        return "queue.reconciler"
    return "queue.expiry" if name == "expiry" else "queue.workers"


def test_every_room_has_a_line_in_the_table() -> None:
    rooms = {room(name) for name in modules()} - {"", "queue"}
    assert rooms <= set(MAY_IMPORT), "a new room: say in MAY_IMPORT whom it may know"


def test_imports_go_one_way() -> None:
    wrong = [
        str(one)
        for one in internal()
        if room(one.module) != room(one.target)
        and room(one.target) not in MAY_IMPORT.get(room(one.module), set())
    ]
    assert not wrong, "\n".join(wrong)


def test_the_table_itself_has_no_cycle() -> None:
    graph = {name: targets - LAUNCHED_TOGETHER for name, targets in MAY_IMPORT.items()}
    list(TopologicalSorter(graph).static_order())


def test_no_module_imports_itself_over_others() -> None:
    """Imports inside functions counted: they only hide a cycle."""
    graph: dict[str, set[str]] = {}
    for one in internal():
        # A package's __init__ is loaded with its modules; it imports none of them, so it closes no circle.
        if one.target != one.module and not one.module.startswith(f"{one.target}."):
            graph.setdefault(one.module, set()).add(one.target)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_a_library_is_imported_only_where_it_belongs() -> None:
    def misplaced(one: Import) -> bool:
        return room(one.module) not in ONLY_IN.get(one.target.split(".")[0], {room(one.module)})

    wrong = [str(one) for one in imports() if misplaced(one)]
    assert not wrong, "\n".join(wrong)


def test_the_client_can_be_taken_along_alone() -> None:
    targets = {one.target.split(".")[0] for one in imports() if room(one.module) == "client"}
    assert targets - sys.stdlib_module_names == {"app", "httpx"}


def test_nothing_imports_from_the_tests() -> None:
    wrong = [str(one) for one in imports() if one.target.split(".")[0] in {"tests", "benchmarks", "examples"}]
    assert not wrong, "\n".join(wrong)
