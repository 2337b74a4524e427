"""The configuration of each process, loaded as the process itself would."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from app.cli.doctor.finding import Finding, Findings, fail, ok, warn
from app.config import (
    ApiSettings,
    ConfigError,
    MaintenanceSettings,
    SharedSettings,
    WorkerSettings,
    load,
)

FIX: Final = "Correct it in .env (or where the environment is set); .env.example explains each setting."
PROCESSES: Final[dict[str, type[SharedSettings]]] = {
    "api": ApiSettings,
    "worker": WorkerSettings,
    "maintenance": MaintenanceSettings,
}

S = TypeVar("S", bound=SharedSettings)


@dataclass(frozen=True)
class Loaded:
    """What could be loaded; a process whose settings are wrong is None."""

    shared: SharedSettings | None
    api: ApiSettings | None
    worker: WorkerSettings | None


def loaded(environ: Mapping[str, str]) -> Loaded:
    return Loaded(_try(SharedSettings, environ), _try(ApiSettings, environ), _try(WorkerSettings, environ))


def _try(kind: type[S], environ: Mapping[str, str]) -> S | None:
    try:
        return load(kind, environ)
    except ConfigError:
        return None


def look(environ: Mapping[str, str], parts: list[str]) -> Findings:
    for name in parts:
        try:
            settings = load(PROCESSES[name], environ)
        except ConfigError as error:
            yield from (fail(f"settings of {name}", text, FIX) for text in str(error).splitlines())
            continue
        yield ok(f"settings of {name}", "can be used")
        if isinstance(settings, ApiSettings):
            yield from _doors(settings)


def _doors(settings: ApiSettings) -> Findings:
    if settings.keys_required:
        yield ok("access", "every caller needs a key")
    else:
        yield _open(settings)


def _open(settings: ApiSettings) -> Finding:
    if settings.auth == "off" and settings.host not in ("127.0.0.1", "::1", "localhost"):
        return warn(
            "access",
            f"AUTH=off, and HOST={settings.host} is reached from other machines: everybody may do everything",
            "Set AUTH=required, then make a key: python -m app.cli keys create --name first --scope admin",
        )
    return ok("access", "no key is asked for (a development server that this machine alone reaches)")
