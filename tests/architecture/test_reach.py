"""What each process really loads, seen from inside a process of its own; and that importing does nothing."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.source import ROOT, modules

API = "app.main"
WORKER = "app.queue.workers"
MAINTENANCE = "app.maintenance"

HEAVY = {"openai", "PIL", "pypdfium2", "pypdfium2_raw", "pdf2image", "numpy", "simplejpeg"}
HTTP_SERVER = {"fastapi", "starlette", "uvicorn"}
MUST_NOT_LOAD = {
    API: HEAVY
    | {"app.queue.workers", "app.queue.jobs", "app.pipeline", "app.notify", "app.launch", "app.embedded"},
    WORKER: HTTP_SERVER
    | {"prometheus_client", "app.api", "app.server", "app.intake", "app.queue.reconciler", "app.launch"}
    | {"app.embedded"},
    MAINTENANCE: HTTP_SERVER
    | HEAVY
    | {"app.api", "app.server", "app.queue.workers", "app.pipeline", "app.launch"},
}
MUST_LOAD = {API: {"fastapi", "app.api", "app.queue.reconciler"}, WORKER: {"rq", "app.pipeline"},
             MAINTENANCE: {"app.queue.reconciler"}}  # fmt: skip

LOADED = "import json, sys, {module}; json.dump(sorted(sys.modules), sys.stdout)"

BLOCKED = """
import json, logging, signal, socket, sys, threading

def refuse(*arguments, **options):
    raise AssertionError("a connection at import")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
watched = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM]
before = [signal.getsignal(number) for number in watched]

import importlib
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)

import structlog
json.dump({
    "threads": [t.name for t in threading.enumerate() if t is not threading.main_thread()],
    "handlers": [type(h).__name__ for h in logging.getLogger().handlers],
    "structlog": structlog.is_configured(),
    "signals": [signal.getsignal(number) for number in watched] == before,
}, sys.stdout)
"""

FORKED = """
import importlib, json, os, sys, traceback
import bson, fastapi, httpx, openai, pydantic, pymongo, redis, rq, structlog  # loaded once

failed = []
for name in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
json.dump(failed, sys.stdout)
"""


def run(code: str, *arguments: str) -> Any:
    """What a fresh Python answers, with no setting of ours in its environment."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("process", MUST_NOT_LOAD)
def test_a_process_loads_what_it_needs_and_nothing_of_the_others(process: str) -> None:
    loaded = set(run(LOADED.format(module=process)))
    assert MUST_LOAD[process] <= loaded
    assert not MUST_NOT_LOAD[process] & loaded


def test_importing_connects_to_nothing_starts_nothing_and_configures_nothing() -> None:
    importable = sorted(name for name in modules() if not name.endswith("__main__"))
    seen = run(BLOCKED, json.dumps(importable))
    assert seen == {"threads": [], "handlers": [], "structlog": False, "signals": True}


def test_every_module_can_be_imported_first() -> None:
    """A hidden circle shows only in one order of imports."""
    importable = sorted(name for name in modules() if not name.endswith("__main__"))
    assert run(FORKED, json.dumps(importable)) == []
