"""Clients that hold uploads open keep nobody from being answered."""

from pathlib import Path

from tests.support.slow_uploads import SETTINGS, measure
from tests.support.stack import Stack


def test_others_are_answered_while_slow_uploads_are_held_open(tmp_path: Path) -> None:
    with Stack(tmp_path, SETTINGS) as stack:
        assert measure(stack, clients=50, reads=100).still_open == 50, (
            "a slow upload within its limits was cut off"
        )
