"""Where measurements go and how much may wait for it: the section ``[influx_logger]`` of ``site.toml``."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from agents.runtime.site_config import AgentSettings, FilePath, SettingError


class InfluxLoggerSettings(AgentSettings):
    """The database, and the spool in front of it."""

    url: str | None = None
    """Address of the database, for example ``http://127.0.0.1:8086``; without it nothing leaves the spool."""
    api: Literal["v2", "v1"] = "v2"
    """How it is written to: ``v2`` is ``/api/v2/write`` (InfluxDB 2 and 3 Core, VictoriaMetrics), ``v1`` is
    ``/write`` (InfluxDB 1)."""
    org: str = "chargebus"
    """Organisation (InfluxDB 2)."""
    bucket: Annotated[str, Field(min_length=1)] = "chargebus"
    """Bucket, or database of InfluxDB 1 and 3."""
    token_file: FilePath | None = None
    """File whose first line is the token; for ``v1`` it is ``user:password``. Without it none is sent."""
    ca_file: FilePath | None = None
    """Certificates that the database's own is checked with (PEM); without it the system's."""
    post_lines: Annotated[int, Field(ge=1, le=50_000)] = 5000
    """Most points in one request. InfluxDB's own advice is 5,000."""
    timeout_s: Annotated[int, Field(ge=1, le=300)] = 30
    """How long the database may take to answer a request. s."""
    spool_max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    """Most that may wait on disk. Beyond it the oldest telemetry goes first, then the oldest of everything else; what
    goes is counted and an alarm stands. A charging charger makes about 1 MB an hour. MB."""
    spool_max_age_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """What has waited so long is dropped, counted. Days."""

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise SettingError("is not an http:// or https:// address")
        if value is not None and "@" in value:
            raise SettingError("contains a user or password; put 'user:password' into a file named by token_file")
        return value
