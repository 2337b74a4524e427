"""Settings of each process, read from the environment by the entry points and handed on as objects.

Nothing is read at import. Every setting `NAME` may also be given as `NAME_FILE`, the path of a
file that holds the value (Docker secrets). A wrong value stops the process at start with a
sentence that names the variable.
"""

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from app.config_access import AccessSettings
from app.config_metrics import ApiMetricsSettings, MaintenanceMetricsSettings
from app.domain.passwords import trouble_with_password
from app.domain.webhook_url import Allowed

PLACEHOLDER_KEYS = frozenset({"", "sk-your-key-here", "your-key-here", "changeme"})


class ConfigError(Exception):
    """The environment cannot be used as it is; the text says which variable and what to do."""


class SharedSettings(BaseModel):
    """What every process needs: where the stores are and how patient to be."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    environment: Literal["development", "production"] = "development"
    mongo_url: SecretStr = SecretStr("mongodb://mongo:27017/?w=majority&journal=true")
    mongo_db: str = Field("full_rag", min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_-]+$")
    valkey_url: SecretStr = SecretStr("redis://valkey:6379")
    storage_url: str = "./.data/files"
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    lease_s: float = Field(30.0, ge=2, le=600)
    max_attempts: int = Field(5, ge=1, le=100)
    max_document_age_s: float = Field(86_400, ge=60)
    retention_days: float = Field(30, ge=0)
    reconcile_every_s: float = Field(2.0, ge=0.2, le=60)

    @field_validator("valkey_url")
    @classmethod
    def _valkey_scheme(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text.startswith("valkey://"):
            text = "redis://" + text.removeprefix("valkey://")
        elif text.startswith("valkeys://"):
            text = "rediss://" + text.removeprefix("valkeys://")
        if not text.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(
                "must start with redis://, rediss://, valkey:// or unix://, as in redis://valkey:6379"
            )
        return SecretStr(text)

    @field_validator("mongo_url")
    @classmethod
    def _mongo_scheme(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("must start with mongodb:// or mongodb+srv://, as in mongodb://mongo:27017")
        return value

    @model_validator(mode="after")
    def _stores_have_passwords(self) -> Self:
        if self.environment == "production":
            for variable, url in (("MONGO_URL", self.mongo_url), ("VALKEY_URL", self.valkey_url)):
                trouble = trouble_with_password(url.get_secret_value())
                if trouble:
                    raise ValueError(f"{variable}: {trouble}")
        return self


class WebhookSettings(SharedSettings):
    """Where webhooks may go: the API refuses a wrong URL at once, the maintenance process calls it."""

    webhook_allow: str = Field("", max_length=4096)

    @field_validator("webhook_allow")
    @classmethod
    def _allow_list_is_readable(cls, value: str) -> str:
        Allowed.parse(value)
        return value

    @property
    def allowed_targets(self) -> Allowed:
        return Allowed.parse(self.webhook_allow)


class ApiSettings(AccessSettings, ApiMetricsSettings, WebhookSettings):
    """The API process."""

    port: int = Field(8001, ge=0, le=65_535)
    max_upload_mb: float = Field(50, gt=0, le=4096)
    upload_idle_s: float = Field(30.0, ge=1)
    max_upload_s: float = Field(600.0, ge=1)
    shutdown_grace_s: float = Field(25.0, ge=0)
    wait_max_s: float = Field(50.0, ge=0, le=600)

    @property
    def max_upload_bytes(self) -> int:
        return int(self.max_upload_mb * 1024 * 1024)


class WorkerSettings(SharedSettings):
    """The worker process: rendering and the model. The only one that reads the model's key."""

    max_pages: int = Field(300, ge=1, le=10_000)
    page_box: tuple[int, int] = (1334, 1888)
    pdf_renderer: Literal["pdfium", "poppler"] = "pdfium"
    render_timeout_s: float = Field(120.0, ge=1)
    render_memory_mb: int = Field(1536, ge=256)
    job_timeout_s: float = Field(900.0, ge=10)
    shutdown_grace_s: float = Field(25.0, ge=0)
    reader: Literal["auto", "openai", "local"] = "auto"
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    openai_model: str = "gpt-5.4-mini"
    openai_api: Literal["responses", "chat"] = "responses"
    openai_timeout_s: float = Field(120.0, ge=1)
    openai_image_detail: Literal["auto", "low", "high"] = "high"
    max_output_tokens: int = Field(4096, ge=64)
    pages_per_call: int = Field(10, ge=1, le=100)
    max_parallel_calls: int = Field(4, ge=1, le=32)
    cache_ttl_s: float = Field(86_400, ge=0)
    max_paid_calls_per_day: int = Field(0, ge=0)
    ocr_language: str = Field("eng", pattern=r"^[A-Za-z0-9_+-]{2,40}$")

    @field_validator("page_box", mode="before")
    @classmethod
    def _parse_box(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        width, x, height = value.lower().partition("x")
        if not (x and width.strip().isdigit() and height.strip().isdigit()):
            raise ValueError("must be WIDTHxHEIGHT in pixels, as in 1334x1888")
        return int(width), int(height)

    @field_validator("page_box")
    @classmethod
    def _box_in_bounds(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not all(100 <= side <= 6000 for side in value):
            raise ValueError("both sides must lie between 100 and 6000 pixels")
        return value

    @field_validator("openai_api_key", "openai_base_url", mode="before")
    @classmethod
    def _placeholder_is_unset(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.strip().lower() in PLACEHOLDER_KEYS else value

    @model_validator(mode="after")
    def _reader_has_what_it_needs(self) -> Self:
        if self.reader == "openai" and self.openai_api_key is None and self.openai_base_url is None:
            raise ValueError(
                "READER=openai needs OPENAI_API_KEY (or OPENAI_BASE_URL of a server without keys)"
            )
        return self

    @property
    def uses_openai(self) -> bool:
        """Whether a model answers; otherwise the local reader does."""
        if self.reader == "auto":
            return self.openai_api_key is not None or self.openai_base_url is not None
        return self.reader == "openai"


class MaintenanceSettings(MaintenanceMetricsSettings, WebhookSettings):
    """The maintenance process: reconciler and webhook deliveries."""

    public_url: str = Field("", max_length=2048)
    webhook_ca: str | None = None
    """A certificate authority of one's own, in PEM."""

    @field_validator("public_url")
    @classmethod
    def _public_url_is_one(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", value):
            raise ValueError("must be this service's own address, as in https://rag.example.com")
        return value.rstrip("/")

    @field_validator("webhook_ca")
    @classmethod
    def _ca_is_pem(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
            except (ssl.SSLError, ValueError):
                raise ValueError(
                    "must be certificates in PEM, -----BEGIN CERTIFICATE----- and so on"
                ) from None
        return value


class ClientSettings(BaseModel):
    """The command line as a client: it speaks HTTP and needs nothing of the service's own settings."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    full_rag_url: str = "http://127.0.0.1:8001"
    full_rag_api_key: SecretStr | None = None


S = TypeVar("S", bound=BaseModel)


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """The settings of one process from the environment; raises `ConfigError` with what to fix."""
    env = os.environ if environ is None else environ
    values: dict[str, str] = {}
    for name in kind.model_fields:
        raw = _value_of(name.upper(), env)
        if raw is not None:
            values[name] = raw
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def environment() -> dict[str, str]:
    """All of this process's environment, for the launcher, which hands it on to what it starts."""
    return dict(os.environ)


def _value_of(variable: str, env: Mapping[str, str]) -> str | None:
    """`NAME`, else the content of `NAME_FILE`; an empty value counts as unset."""
    path = env.get(f"{variable}_FILE", "").strip()
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{variable}_FILE: cannot read {path} ({type(error).__name__}). Fix the path or unset it."
            ) from None
    return env.get(variable, "").strip() or None


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        variable = "_".join(str(part) for part in problem["loc"][:1]).upper()
        text = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{variable}: {text}" if variable else text)
    return "\n".join(lines)
