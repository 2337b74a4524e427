"""Logs of every process: one line an event, JSON or text, on stderr, and only fields that are listed here.

A document's text, its name, prompts, answers, headers and keys never reach a log, whoever writes the
line: fields that are not in `FIELDS` are dropped, exceptions are told by type and place and never by
their message, and libraries' own texts are left out unless their logger is trusted.
`request_id`, `file_id` and `job_id` come from structlog's context variables.
"""

import logging
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

FIELD_NAMES: Final = """
event level timestamp logger process pid host
request_id file_id job_id key_id
method route status code retryable duration_ms
port url_scheme storage storage_id
worker attempt attempts batch batches stage pages pages_done pages_total model reader
size count action step reason signal exit_code waiting_for next_try_at delay_s skipped_for_s lease_s
error_type where
input_tokens output_tokens
"""
FIELDS: Final = frozenset(FIELD_NAMES.split())
TRUSTED: Final = ("uvicorn.error",)
QUIET: Final = ("python_multipart", "pymongo", "httpx", "httpx2", "httpcore", "openai", "PIL", "asyncio")
FRAMES: Final = 12


def configure(
    log_format: Literal["json", "text"], level: str, process: str, trusted: Iterable[str] = TRUSTED
) -> None:
    """Set up structlog and the standard library's logging of this process; call it once, first thing."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
        told_by_place,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_foreign(tuple(trusted)), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                only_listed_fields,
                _renderer(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def only_listed_fields(_: WrappedLogger, __: str, event: EventDict) -> Mapping[str, object]:
    """Drop what is not listed. A test keeps this the last step before the renderer."""
    return {name: event[name] for name in event if name in FIELDS}


def told_by_place(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """An exception's type and where it was raised, in place of its message and its values."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0] is not None:
        event.setdefault("error_type", info[0].__name__)
        event["where"] = frames_of(info[2])
    event.pop("stack_info", None)
    return event


def frames_of(trace: TracebackType | None) -> str:
    """The innermost frames as `file:line in function`, outermost first."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return " > ".join(frames[-FRAMES:])


def _named(process: str) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return add


def _foreign(trusted: tuple[str, ...]) -> Processor:
    """A library's line: its text only where the logger is trusted, else who spoke, and from where."""

    def tell(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        record = event.get("_record")
        if isinstance(record, logging.LogRecord):
            event["logger"] = record.name
            event["exc_info"] = record.exc_info
            if not record.name.startswith(trusted):
                event["event"] = "library_log"
                event["where"] = f"{record.filename}:{record.lineno} in {record.funcName}"
        return event

    return tell


def _renderer(log_format: Literal["json", "text"]) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
