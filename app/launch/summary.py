"""What `./run.sh` shows when it is ready: where it listens, who reads, and lines to type."""

from pathlib import Path

from app.launch.service import Service


def summary(service: Service, seconds: float) -> str:
    return f"""
Ready after {seconds:.1f} s: {service.url}
  stores   {service.stores.describe()}
  data     {service.data}
  reader   {reader(service)}
  access   {access(service)}
  workers  {service.workers}; logs of all processes in {service.data / "logs"}

Upload a document, then ask for it:
  curl -F "file=@examples/resume.pdf" {service.url}/upload
  curl {service.url}/<file_id>

One more worker, typed by hand (from {service.root}):
  {worker_line(service)}
"""


def access(service: Service) -> str:
    if not service.api.keys_required:
        return "NO KEY IS ASKED FOR (AUTH=off): whoever reaches this address may do everything"
    env = _shown(service.data / "env", service.root)
    return (
        "a key is asked for. Make one: "
        f"(set -a; . {env}; .venv/bin/python -m app.cli keys create --name first --scope admin)"
    )


def reader(service: Service) -> str:
    settings = service.worker
    if not settings.uses_openai:
        return (
            "the built-in local reader (not a model: text and OCR, arranged by rules). "
            "Set OPENAI_API_KEY in .env to have OpenAI answer"
        )
    where = settings.openai_base_url or "OpenAI"
    return f"{settings.openai_model} at {where}"


def worker_line(service: Service) -> str:
    env = _shown(service.data / "env", service.root)
    return f'set -a; . {env}; set +a; .venv/bin/rq worker --with-scheduler --url "$VALKEY_URL"'


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
