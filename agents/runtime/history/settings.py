"""Which database holds a site's measurements: the part of ``[influx_logger]`` that its readers need too."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from agents.runtime.configuration.site_config import FilePath, SettingError, Settings


class HistorySource(Settings):
    """An InfluxDB, or none: then the history is in a SQLite file."""

    url: str | None = None
    """Address of the database, for example ``http://127.0.0.1:8086``; without it the history is kept in SQLite."""
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
    timeout_s: Annotated[int, Field(ge=1, le=300)] = 30
    """How long the database may take to answer a request. s."""

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise SettingError("is not an http:// or https:// address")
        if value is not None and "@" in value:
            raise SettingError("contains a user or password; put 'user:password' into a file named by token_file")
        return value

    def token(self) -> str | None:
        """Return the token, None without a file. Raises :class:`OSError` or :class:`UnicodeDecodeError`."""
        path: Path | None = self.token_file
        return None if path is None else path.read_text(encoding="utf-8").split("\n", 1)[0].strip()
