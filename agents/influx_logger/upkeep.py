"""What the history without a database needs now and then: days into Parquet files, old points thinned, a bound kept."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from agents.influx_logger.history_file import connect
from agents.influx_logger.parquet import FOLDER, ExportUnavailable, drop_old, export_days
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.influx_logger.thinning import Thinned, tidy

MB = 1_000_000


@dataclass(frozen=True)
class Round:
    """What a round has done."""

    exported: tuple[str, ...] = ()
    """Names of the files that were written."""
    thinned: Thinned = field(default_factory=lambda: Thinned(0, 0, 0))
    problem: str | None = None
    """What kept it from its work, in words."""


def run_round(path: Path, settings: InfluxLoggerSettings, now_ms: int) -> Round:
    """Do what is due. Blocks, and is for a thread: the file has a writer of its own meanwhile."""
    exported: tuple[str, ...] = ()
    problem = None
    folder = path.parent / FOLDER
    db = connect(path)
    try:
        if settings.parquet:
            try:
                exported = tuple(f"{file.parent.name}/{file.name}" for file in export_days(db, folder, now_ms))
                drop_old(folder, now_ms, settings.parquet_days)
            except ExportUnavailable as error:
                problem = f"no Parquet files: {error}"
        thinned = tidy(db, now_ms, settings.history_days, settings.history_max_mb * MB, problem is None)
    except sqlite3.Error as error:
        return Round(exported, problem=f"the history {path} cannot be thinned: {error}")
    finally:
        db.close()
    return Round(exported, thinned, problem)
