"""Finds the history of a site: InfluxDB where ``[influx_logger]`` names one, else the logger's SQLite file."""

from pydantic import ConfigDict

from agents.runtime.configuration.site_config import SiteConfig
from agents.runtime.history.query import History, HistoryUnavailable
from agents.runtime.history.settings import HistorySource
from agents.runtime.history.sqlite import SqliteHistory
from agents.runtime.history.tables import HISTORY_FILE

__all__ = ["HistorySource", "open_history"]

LOGGER = "influx_logger"
"""The table of ``site.toml`` that says where the history is."""


class _Table(HistorySource):
    """What a reader needs of the logger's table."""

    model_config = ConfigDict(extra="ignore")


def open_history(site: SiteConfig) -> History:
    """Return the history of a site; nothing is connected yet.

    Raises :class:`agents.runtime.configuration.site_config.ConfigError`, and :class:`HistoryUnavailable` for a token
    that cannot be read.
    """
    source = site.settings(LOGGER, _Table)
    if source.url is None:
        return SqliteHistory(site.data_dir / HISTORY_FILE)
    from agents.runtime.history.influx import InfluxHistory

    try:
        return InfluxHistory(source)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise HistoryUnavailable(f"[influx_logger] token_file: cannot read {source.token_file}: {reason}") from error
