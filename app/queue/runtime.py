"""What a worker's parent prepares once and its work-horses inherit: settings, names, the renderer."""

import socket
from dataclasses import dataclass, field

from app.config import WorkerSettings
from app.pipeline.prompts import PROMPT_VERSION
from app.pipeline.render import RenderLimits, RenderServer
from app.pipeline.vision import ReaderOptions
from app.queue.stop import Stop


def reader_options(settings: WorkerSettings) -> ReaderOptions:
    key = settings.openai_api_key
    return ReaderOptions(
        kind="openai" if settings.uses_openai else "local",
        api_key=key.get_secret_value() if key else None,
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        api=settings.openai_api,
        timeout_s=settings.openai_timeout_s,
        image_detail=settings.openai_image_detail,
        max_output_tokens=settings.max_output_tokens,
        ocr_language=settings.ocr_language,
    )


@dataclass
class Runtime:
    """No connection is in here: those are opened after the fork."""

    settings: WorkerSettings
    worker: str
    renderer: RenderServer
    stop: Stop = field(default_factory=Stop)
    host: str = field(default_factory=socket.gethostname)

    @property
    def model(self) -> str:
        """Who answers, as an attempt's record names it."""
        return self.settings.openai_model if self.settings.uses_openai else "local-reader"

    @property
    def render_limits(self) -> RenderLimits:
        s = self.settings
        return RenderLimits(
            max_pages=s.max_pages,
            box=s.page_box,
            timeout_s=s.render_timeout_s,
            memory_mb=s.render_memory_mb,
            engine=s.pdf_renderer,
        )

    @property
    def recipe(self) -> dict[str, object]:
        """Everything of the settings that changes what an analysis says."""
        s = self.settings
        if not s.uses_openai:
            return {"reader": "local", "ocr": s.ocr_language, "box": s.page_box, "pages": s.pages_per_call}
        return {
            "reader": "openai",
            "prompt": PROMPT_VERSION,
            "server": s.openai_base_url,
            "model": s.openai_model,
            "api": s.openai_api,
            "detail": s.openai_image_detail,
            "tokens": s.max_output_tokens,
            "box": s.page_box,
            "pages": s.pages_per_call,
        }

    @property
    def call_time_s(self) -> float:
        """What a paid call may take; none begins with less time left."""
        return min(self.settings.openai_timeout_s, self.settings.job_timeout_s / 2)


_current: Runtime | None = None


def install(runtime: Runtime) -> None:
    """Make it the one of this process and of those that it forks."""
    global _current
    _current = runtime


def current() -> Runtime:
    if _current is None:
        raise RuntimeError("Jobs run in app.queue.workers.FullRagWorker only: set RQ_WORKER_CLASS to it.")
    return _current
