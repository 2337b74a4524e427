"""Logs hold listed fields only, whoever writes the line and whatever is thrown."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from app.observability import logs

SECRET = "Jane Doe, born 1980, sk-live-key"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Configured as a process is, writing into a string; put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    # Another server in this process may have set uvicorn's loggers up in its own way.
    servers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error")]
    theirs = [(logger, logger.level, logger.propagate) for logger in servers]
    for logger in servers:
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json", "INFO", "test")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = before
    for logger, level, propagate in theirs:
        logger.setLevel(level)
        logger.propagate = propagate
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_field_that_is_not_listed_is_dropped(lines: Lines) -> None:
    structlog.get_logger().info("stored", size=3, name=SECRET, prompt=SECRET, headers={"x": SECRET})
    (line,) = lines()
    assert line["event"] == "stored"
    assert line["size"] == 3
    assert line["process"] == "test"
    assert set(line) <= logs.FIELDS


def test_ids_come_from_the_context(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(request_id="r1", file_id="f1")
    structlog.get_logger().warning("x")
    assert (lines()[0]["request_id"], lines()[0]["file_id"]) == ("r1", "f1")


def test_an_exception_is_told_by_type_and_place_without_its_words(lines: Lines) -> None:
    try:
        int(SECRET)
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines()
    assert line["error_type"] == "ValueError"
    assert "test_logs.py" in line["where"]
    assert SECRET not in json.dumps(line)


def test_a_librarys_text_is_left_out(lines: Lines) -> None:
    try:
        {}[SECRET]
    except KeyError:
        logging.getLogger("some.library").exception("could not read %s", SECRET)
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == ("library_log", "some.library", "error")
    assert line["error_type"] == "KeyError"
    assert SECRET not in json.dumps(line)


def test_the_servers_own_messages_are_kept(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 12)
    assert lines()[0]["event"] == "Started server process [12]"


def test_what_is_below_the_level_is_not_written(lines: Lines) -> None:
    structlog.get_logger().debug("chatter")
    logging.getLogger("httpx").info("HTTP Request: POST %s", SECRET)
    assert lines() == []


def test_text_is_for_people(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("text", "INFO", "test")
    structlog.get_logger().info("stored", size=3, name=SECRET)
    assert "stored" in stream.getvalue()
    assert "size" in stream.getvalue()
    assert SECRET not in stream.getvalue()
