"""The cell itself: processes that seal themselves and then try things, layer by layer."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.pipeline import sandbox_landlock, sandbox_seccomp

ROOT = Path(__file__).parents[3]
PRELUDE = """
import json, os, sys
from tests.support.attacks import attempt, attempts
from app.pipeline.sandbox import Limits, Sandbox, filters
VICTIM = os.getppid()
LIMITS = Limits(memory_bytes=1 << 30, cpu_s=60)
def tell(**targets):
    tries = attempts({"victim": VICTIM, "server": VICTIM, "paths": [sys.argv[1]]} | targets)
    found = {name: attempt(act) for name, act in tries.items()}
    os.write(1, json.dumps(found).encode())
"""
needs_seccomp = pytest.mark.skipif(not sandbox_seccomp.supported(), reason="no seccomp here")
needs_landlock = pytest.mark.skipif(not sandbox_landlock.version(), reason="no Landlock here")


def sealed(program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run it in a fresh Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + program, *arguments], cwd=ROOT, capture_output=True, timeout=120
    )


def told(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "dotenv"
    path.write_text("OPENAI_API_KEY=canary")
    return str(path)


@needs_seccomp
@needs_landlock
def test_with_every_layer_nothing_is_achieved(secret: str) -> None:
    found = told(sealed("Sandbox.prepare().seal('parser', LIMITS); tell()", secret))
    assert {name: got for name, got in found.items() if got != "refused"} == {}


@needs_seccomp
def test_without_landlock_seccomp_alone_refuses_everything(secret: str) -> None:
    program = "Sandbox({}, filters(landlocked=False), {}).seal('parser', LIMITS); tell()"
    found = told(sealed(program, secret))
    assert {name: got for name, got in found.items() if got != "refused"} == {}


@needs_landlock
def test_landlock_alone_keeps_files_and_processes_away(secret: str) -> None:
    program = "Sandbox({}, {}, Sandbox.prepare().rulesets).seal('parser', LIMITS); tell()"
    found = told(sealed(program, secret))
    for name in ("read passwd", f"read {secret}", f"remove {secret}", "read /proc/victim/mem", "ptrace"):
        assert found[name] == "refused"
    assert found["socket pair"].startswith("achieved")


@needs_seccomp
@needs_landlock
def test_a_tool_cannot_fork_or_start_another(secret: str) -> None:
    program = """
box = Sandbox.prepare(["/bin/true"], exec_address=1 << 40)
box.seal("conductor", LIMITS)
box.become_tool()
tell()
"""
    found = told(sealed(program, secret))
    assert {name: got for name, got in found.items() if got != "refused"} == {}


@needs_seccomp
def test_a_tool_starts_through_the_gate_only() -> None:
    program = """
from app.pipeline.sandbox_exec import ExecGate
gate = ExecGate.make()
box = Sandbox.prepare([sys.argv[1]], gate.address)
box.seal("conductor", LIMITS)
try:
    os.execv(sys.argv[1], ["echo", "by the back door"])
except PermissionError:
    gate.execute(sys.argv[1], ["by the gate"])
"""
    done = sealed(program, "/bin/echo")
    assert done.stdout == b"by the gate\n", done.stderr


def test_processor_time_ends_with_its_own_signal() -> None:
    done = sealed("Sandbox({}, {}, {}).seal('parser', Limits(1 << 30, 1))\nwhile True: pass", "-")
    assert done.returncode == -signal.SIGXCPU


def test_memory_ends_with_an_error() -> None:
    program = "Sandbox({}, {}, {}).seal('parser', Limits(1 << 28, 60))\nbytearray(1 << 29)"
    assert b"MemoryError" in sealed(program, "-").stderr


def test_no_file_can_grow(tmp_path: Path) -> None:
    program = """
target = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
Sandbox({}, {}, {}).seal('parser', LIMITS)
print(attempt(lambda: os.write(target, b"x")))
"""
    assert sealed(program, str(tmp_path / "file")).stdout == b"refused\n"
