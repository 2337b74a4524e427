"""The API's settings about who may come in and how often; `app.config` composes and reads them."""

import re
from ipaddress import ip_address
from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from app.domain.client_address import Network, parse_networks

ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
OFF = "off"

RATE = re.compile(r"[1-9]\d{0,8}/(second|minute|hour|day)|off", re.ASCII)


class AccessSettings(BaseModel):
    """Keys, limits, and what browsers are told."""

    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    auth: Literal["required", "off"] | None = None
    rate_limit_uploads: str | None = None
    rate_limit_reads: str | None = None
    max_batch_files: int = Field(300, ge=1, le=10_000)
    max_batch_mb: float = Field(500, gt=0, le=65_536)
    max_in_flight: int = Field(0, ge=0)
    max_stored_mb: float = Field(0, ge=0)
    trusted_proxies: str = Field("", max_length=4096)
    cors_origins: str = Field("", max_length=4096)
    docs: Literal["on", "off"] = "on"

    @field_validator("rate_limit_uploads", "rate_limit_reads")
    @classmethod
    def _rates_are_rates(cls, value: str | None) -> str | None:
        if value is not None and not RATE.fullmatch(value):
            raise ValueError("must be a number each second, minute, hour or day, as in 300/minute, or off")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks_are_readable(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is not an origin. Give scheme and host with commas between, "
                    "as in https://app.example.com,http://localhost:3000"
                )
        return value

    @model_validator(mode="after")
    def _open_doors_are_for_development(self) -> Self:
        if self.auth == OFF and self.environment == "production":
            raise ValueError(
                "AUTH=off is for ENVIRONMENT=development only. Unset AUTH, then make a key: "
                "python -m app.cli keys create --name first --scope admin"
            )
        return self

    @property
    def keys_required(self) -> bool:
        """What AUTH says; unset, only a development server that hears this machine alone does without."""
        if self.auth is not None:
            return self.auth == "required"
        return self.environment == "production" or not _is_loopback(self.host)

    @property
    def upload_rate(self) -> str | None:
        """As in `300/minute`; None is no limit, which is the default where no key is asked for."""
        return self._rate(self.rate_limit_uploads, "300/minute")

    @property
    def read_rate(self) -> str | None:
        return self._rate(self.rate_limit_reads, "6000/minute")

    @property
    def proxies(self) -> tuple[Network, ...]:
        return parse_networks(self.trusted_proxies)

    @property
    def origins(self) -> list[str]:
        return _listed(self.cors_origins)

    @property
    def max_stored_bytes(self) -> int:
        return int(self.max_stored_mb * 1024 * 1024)

    def _rate(self, given: str | None, default: str) -> str | None:
        rate = given or (default if self.keys_required else OFF)
        return None if rate == OFF else rate


def _listed(text: str) -> list[str]:
    return [part.strip().rstrip("/") for part in text.split(",") if part.strip()]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
