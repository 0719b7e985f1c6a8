"""What was measured, asked for in one way: whether it is in InfluxDB or in the logger's own SQLite file.

::

    with open_history(site) as history:
        query = HistoryQuery("telemetry", (Column("power_w", Aggregation.MEAN),), since_ms, until_ms,
                             by=("charger",), every_ms=60_000)
        for series in history.series(query): ...

``query`` is the interface, ``sqlite`` and ``influx`` its two implementations (``influxql`` is the pure part of the
second), ``tables`` how the SQLite file is laid out, ``source`` which of the two a site has. ``influx_logger`` fills
both.
"""

from agents.runtime.history.query import (
    Aggregation,
    Column,
    History,
    HistoryQuery,
    HistoryUnavailable,
    QueryError,
    Series,
)
from agents.runtime.history.source import HistorySource, open_history

__all__ = [
    "Aggregation",
    "Column",
    "History",
    "HistoryQuery",
    "HistorySource",
    "HistoryUnavailable",
    "QueryError",
    "Series",
    "open_history",
]
