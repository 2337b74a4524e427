"""Settings of the instruments: who may read `/metrics`, and where the maintenance process shows its own."""

from typing import Final

from pydantic import BaseModel, Field, field_validator

from app.domain.client_address import Network, parse_networks

NEAR: Final = "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
"""This machine and private networks."""


class ApiMetricsSettings(BaseModel):
    """Of the API, which shows them on its own port."""

    metrics_allow: str = Field(NEAR, max_length=4096)

    @field_validator("metrics_allow")
    @classmethod
    def _metrics_networks_are_readable(cls, value: str) -> str:
        parse_networks(value)
        return value

    @property
    def metrics_networks(self) -> tuple[Network, ...]:
        return parse_networks(self.metrics_allow)


class MaintenanceMetricsSettings(BaseModel):
    """Of the maintenance process, which has no other port. 0 is off."""

    metrics_port: int = Field(0, ge=0, le=65_535)
    metrics_host: str = "127.0.0.1"
