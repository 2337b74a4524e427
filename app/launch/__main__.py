"""`./run.sh` and `./run.sh demo`, once `.venv` is set up: run until Ctrl-C, or show one document."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from app.config import ConfigError, environment
from app.embedded import EmbeddedError, EmbeddedMongo
from app.launch.demo import DemoFailed, show
from app.launch.environment import read_dotenv
from app.launch.lock import AlreadyRunning, lock_folder
from app.launch.screen import say
from app.launch.service import NotReady, Service
from app.launch.summary import summary
from app.launch.supervisor import GaveUp

ROOT: Final = Path(__file__).resolve().parents[2]
TICK_S: Final = 0.1
EXPECTED: Final = (AlreadyRunning, ConfigError, DemoFailed, EmbeddedError, GaveUp, NotReady)


class Signals:
    """Counts the requests to stop."""

    def __init__(self) -> None:
        self.count = 0
        # Set explicitly: a background shell starts us with SIGINT ignored. nohup means its own ignoring.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._heard)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 2:
            os._exit(130)  # the guardian stops what is left

    def stopped(self) -> bool:
        return self.count > 0

    def hurried(self) -> bool:
        return self.count > 1


def main(argv: Sequence[str]) -> int:
    command, arguments = argv[0], list(argv[1:])
    if (command == "run" and arguments) or len(arguments) > 1:
        say(f"run.sh: too many arguments after {command}: {' '.join(arguments)}. ./run.sh --help tells more.")
        return 2
    signals = Signals()
    try:
        if command == "demo":
            return demo(Path(arguments[0]) if arguments else ROOT / "examples" / "resume.pdf", signals)
        return run(signals)
    except EXPECTED as error:
        say(str(error))
        return 1


def run(signals: Signals) -> int:
    """Until the first request to stop; exit code 0 then."""
    began = time.monotonic()
    data = ROOT / ".data"
    lock = lock_folder(data)
    service = Service(ROOT, data, read_dotenv(ROOT / ".env") | environment(), lock.fileno())
    lock.describe(service.url)
    say("Full-RAG is starting. Ctrl-C stops it.")
    try:
        if service.start(signals.stopped):
            say(summary(service, time.monotonic() - began))
        while not signals.stopped():
            service.poll()
            time.sleep(TICK_S)
        say("Stopping (once more Ctrl-C: at once).")
    finally:
        service.stop(signals.hurried)
    say("Stopped; nothing is left running.")
    return 0


def demo(file: Path, signals: Signals) -> int:
    """A service of its own, on a free port, its data thrown away: it disturbs no other that runs."""
    if not file.is_file():
        raise DemoFailed(f"There is no file {file}.")
    env = read_dotenv(ROOT / ".env") | environment()
    for name in ("VALKEY_URL", "MONGO_URL", "MONGO_DB", "STORAGE_URL", "HOST"):
        if name != "MONGO_URL" or EmbeddedMongo.available():
            env.pop(name, None)
            env.pop(f"{name}_FILE", None)
    folder = Path(tempfile.mkdtemp(prefix="full-rag-demo-"))
    alone = {"PORT": "0", "MONGO_DB": "full_rag_demo", "ENVIRONMENT": "development", "AUTH": "off"}
    service = Service(ROOT, folder, env | alone)
    say("Full-RAG is starting for one document.")
    try:
        if not service.start(signals.stopped):
            return 130
        return show(service, file, signals.stopped)
    finally:
        service.stop(signals.hurried)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
