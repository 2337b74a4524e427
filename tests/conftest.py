"""What every test may use: the real embedded servers; and that e2e tests never run beside each other."""

from pathlib import Path

import pytest

pytest_plugins = ["tests.support.servers"]

E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under xdist all e2e tests go to one worker (`--dist loadgroup`): they start whole systems."""
    for item in items:
        if item.path.is_relative_to(E2E):
            item.add_marker(pytest.mark.xdist_group("e2e"))
