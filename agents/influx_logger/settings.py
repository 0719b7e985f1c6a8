"""Where measurements go and how much may wait for it: the section ``[influx_logger]`` of ``site.toml``."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from agents.runtime.configuration.site_config import AgentSettings, SettingError
from agents.runtime.history.settings import HistorySource


class InfluxLoggerSettings(AgentSettings, HistorySource):
    """The database, the spool in front of it, and the history without a database."""

    share: Annotated[str, Field(pattern=r"^[1-4]/[1-4]$")] = "1/1"
    """Which part of the work this process has, where several share it: ``2/3`` is the second of three. Each is started
    with a ``site.toml`` of its own in which only this differs, has its own spool, and is called ``influx_logger-2``.
    Each process hears everything and keeps what belongs to its chargers, circuits and agents."""
    post_lines: Annotated[int, Field(ge=1, le=50_000)] = 5000
    """Most points in one request. InfluxDB's own advice is 5,000."""
    spool_max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    """Most that may wait on disk. Beyond it the oldest telemetry goes first, then the oldest of everything else; what
    goes is counted and an alarm stands. A charging charger makes about 1 MB an hour. MB."""
    spool_max_age_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """What has waited so long is dropped, counted. Days."""
    history_days: Annotated[int, Field(ge=8, le=36500)] = 365
    """How long the history without a database goes back. As points came for a day at least, then one each 10 s for a
    week, then one a minute. Days."""
    history_max_mb: Annotated[int, Field(ge=10, le=1_000_000)] = 8192
    """Most that the history's file may hold; beyond it the oldest goes, whatever ``history_days`` says. A charger that
    charges all the time makes about 400 MB a year. MB."""
    parquet: bool = True
    """Whether the history without a database is also written to Parquet files, one for each day and measurement, under
    ``history`` beside the file. Needs the package pyarrow (``pip install 'chargebus[parquet]'``)."""
    parquet_days: Annotated[int, Field(ge=1, le=36500)] = 1825
    """How long Parquet files are kept. Days."""

    @model_validator(mode="after")
    def _share_exists(self) -> Self:
        if self.process > self.processes:
            raise SettingError("share: the first number is at most the second")
        if self.processes > 1 and self.url is None:
            raise SettingError("share: needs url; the history without a database has one process that writes it")
        return self

    @property
    def process(self) -> int:
        """Number of this process, from 1."""
        return int(self.share[0])

    @property
    def processes(self) -> int:
        """How many share the work."""
        return int(self.share[2])
