"""How the SQLite file of the history is laid out: made from the contract's measurements. Pure.

Three tables for each measurement: points as they came, those thinned to 10 s, and those thinned to a minute. A row of
a thinned table stands for all points of its stretch of time and knows of each gauge how many values there were, their
sum, least, greatest and last; of everything else how many and the last. A measurement that tells of happenings
(events, rejections, alarms) is never thinned.

A series is a measurement with the values of its tags.
"""

from dataclasses import dataclass

from bus_schema.influx import InfluxType, Measurement

HISTORY_FILE = "history.sqlite3"
"""Name of the file in a site's ``data_dir``."""

VERSION = 1
"""``PRAGMA user_version`` of the file; a file with a higher one was written by a later chargebus."""

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Tier:
    """How far apart the points of a table are."""

    name: str
    step_ms: int
    """0: as they came."""


RAW, TENS, MINUTES = Tier("raw", 0), Tier("10s", 10_000), Tier("1min", 60_000)
TIERS = (RAW, TENS, MINUTES)
"""From fine to coarse."""

SERIES = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, measurement TEXT NOT NULL, tags TEXT NOT NULL, UNIQUE (measurement, tags)
)"""
"""``tags`` is a JSON list of the values, in the order of the measurement's tags."""

EXPORTS = """
CREATE TABLE IF NOT EXISTS export (
    measurement TEXT NOT NULL, day TEXT NOT NULL, points INTEGER NOT NULL, PRIMARY KEY (measurement, day)
)"""
"""Days (UTC) that stand in Parquet files, and how many points of them."""

_SQL_TYPES: dict[InfluxType, str] = {"integer": "INTEGER", "float": "REAL", "boolean": "INTEGER", "string": "TEXT"}

PARTS = ("n", "sum", "min", "max")
"""What a thinned gauge has beside its last value; everything else has ``n`` only."""


def is_gauge(shape: Measurement, field: str) -> bool:
    """Tell whether a field goes up and down, so that its mean and extremes say something."""
    kind = shape.fields[field]
    return kind == "float" or (kind == "integer" and field not in shape.units and not field.endswith("_ts"))


def is_thinned(shape: Measurement) -> bool:
    """Tell whether a measurement is of values over time, and not of happenings."""
    topic = shape.topic
    over_time = (topic.retained or topic.qos == 0) and not topic.clearable
    return over_time and any(is_gauge(shape, field) for field in shape.fields)


def tiers(shape: Measurement) -> tuple[Tier, ...]:
    """Return the tables that a measurement has."""
    return TIERS if is_thinned(shape) else (RAW,)


def table(shape: Measurement, tier: Tier) -> str:
    """Return the name of a table, quoted."""
    return f'"{shape.name}_{tier.name}"'


def part(field: str, name: str) -> str:
    """Return the column with a part of a thinned field, quoted."""
    return f'"{field}#{name}"'


def parts(shape: Measurement, field: str) -> tuple[str, ...]:
    """Return the parts that a thinned field has beside its last value."""
    return PARTS if is_gauge(shape, field) else PARTS[:1]


def columns(shape: Measurement, tier: Tier) -> dict[str, str]:
    """Return the columns behind ``series`` and ``time_ns``, quoted, with their types."""
    found: dict[str, str] = {} if tier is RAW else {'"until_ns"': "INTEGER", '"points"': "INTEGER"}
    for field, kind in shape.fields.items():
        found[f'"{field}"'] = _SQL_TYPES[kind]
        if tier is not RAW:
            for name in parts(shape, field):
                found[part(field, name)] = "INTEGER" if name == "n" else _SQL_TYPES[kind]
    return found


def create(shape: Measurement, tier: Tier) -> str:
    """Return the statement that makes a table."""
    rest = "".join(f", {name} {kind}" for name, kind in columns(shape, tier).items())
    return (
        f"CREATE TABLE IF NOT EXISTS {table(shape, tier)} (series INTEGER NOT NULL, time_ns INTEGER NOT NULL{rest}, "
        "PRIMARY KEY (series, time_ns)) WITHOUT ROWID"
    )
