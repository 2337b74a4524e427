"""What every test may use: the real embedded servers; and that e2e tests never run beside each other."""

from pathlib import Path

import pytest
import structlog

pytest_plugins = ["tests.support.servers", "tests.support.stores", "tests.support.s3"]

E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under xdist all e2e tests go to one worker (`--dist loadgroup`): they start whole systems."""
    for item in items:
        if item.path.is_relative_to(E2E):
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(autouse=True)
def plain_tracebacks() -> None:
    """structlog's default draws each traceback with all local variables, which can take seconds."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])
