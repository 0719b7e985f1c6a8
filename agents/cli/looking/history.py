"""``history``: what was measured, out of InfluxDB or out of the logger's own file."""

from __future__ import annotations

import csv
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.cli.connection.target_choice import config_file, load_config
from agents.cli.connection.terminal import ConfigOption, JsonOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.cli.screen import plain_table, print_for_people
from agents.cli.values import duration_s
from agents.runtime.configuration.config_errors import ConfigError
from agents.runtime.history import (
    Aggregation,
    Column,
    HistoryQuery,
    HistoryUnavailable,
    QueryError,
    Series,
    open_history,
)
from agents.runtime.history.query import measurement_named
from agents.runtime.history.tables import is_gauge
from bus_schema.influx import Measurement, measurements

app = command_app()

STRETCHES = 60
"""Into how many the time is parted unless ``--every`` says how long one is."""


@app.command()
def history(
    measurement: Annotated[str | None, typer.Argument(help="Which measurement; without it all are listed.")] = None,
    fields: Annotated[list[str] | None, typer.Argument(help="Which fields; without them all are listed.")] = None,
    since_s: Annotated[
        int,
        typer.Option("--since", parser=duration_s, metavar="TIME", show_default="1h", help="How long ago it begins."),
    ] = 3600,
    until_s: Annotated[
        int | None, typer.Option("--until", parser=duration_s, metavar="TIME", help="How long ago it ends (now).")
    ] = None,
    every_s: Annotated[
        int | None,
        typer.Option("--every", parser=duration_s, metavar="TIME", help="Length of a stretch of time (a 60th)."),
    ] = None,
    aggregation: Annotated[
        Aggregation | None,
        typer.Option("--aggregate", help="What becomes of a stretch (mean of what goes up and down, else the last)."),
    ] = None,
    as_they_are: Annotated[bool, typer.Option("--raw", help="Every point as it is, not put together.")] = False,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="TAG=VALUE", help="Only these, e.g. charger=c1. Repeatable.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="TAG", help="A series for each value (all but the site).")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what was measured: power, currents, states, events.

    For example `chargebus history telemetry power_w --where charger=c1 --since 1d --every 15m`.
    """
    try:
        if measurement is None or not fields:
            _list(measurement, as_json)
            return
        shape = measurement_named(measurement)
        query = _query(shape, fields, _span(since_s, until_s), every_s, aggregation, as_they_are, where, by)
        query.checked()
        with open_history(load_config(config_file(config, Path.cwd()))) as opened:
            found = opened.series(query)
    except QueryError as error:
        raise CliError(ExitCode.USAGE, str(error)) from error
    except ConfigError as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error
    except HistoryUnavailable as error:
        raise CliError(ExitCode.UNREACHABLE, str(error)) from error
    _show(query, found, as_csv, as_json)


def _span(since_s: int, until_s: int | None) -> tuple[int, int]:
    now_ms = time.time_ns() // 1_000_000
    return now_ms - since_s * 1000, now_ms + 1 - (until_s or 0) * 1000


def _query(
    shape: Measurement,
    fields: list[str],
    span: tuple[int, int],
    every_s: int | None,
    aggregation: Aggregation | None,
    as_they_are: bool,
    where: list[str] | None,
    by: list[str] | None,
) -> HistoryQuery:
    chosen: dict[str, list[str]] = {}
    for text in where or ():
        tag, equals, value = text.partition("=")
        if not equals:
            raise QueryError(f"{text!r} is no condition; write TAG=VALUE, for example charger=c1")
        chosen.setdefault(tag, []).append(value)
    since_ms, until_ms = span
    every_ms = None if as_they_are else every_s * 1000 if every_s else max(1000, (until_ms - since_ms) // STRETCHES)
    columns = tuple(Column(field, None if as_they_are else aggregation or _usual(shape, field)) for field in fields)
    tags = tuple(by) if by else tuple(tag for tag in shape.tags if tag != "site")
    return HistoryQuery(shape.name, columns, since_ms, until_ms, chosen, tags, every_ms)


def _usual(shape: Measurement, field: str) -> Aggregation:
    is_mean = field in shape.fields and is_gauge(shape, field)
    return Aggregation.MEAN if is_mean else Aggregation.LAST


def _list(measurement: str | None, as_json: bool) -> None:
    shapes = measurements() if measurement is None else (measurement_named(measurement),)
    if as_json:
        listed = {each.name: {"tags": list(each.tags), "fields": each.fields} for each in shapes}
        typer.echo(json.dumps(listed, indent=2))
        return
    table = plain_table("measurement", "tags", "fields")
    for each in shapes:
        table.add_row(each.name, ", ".join(each.tags), ", ".join(each.fields))
    print_for_people(table)


def _show(query: HistoryQuery, found: list[Series], as_csv: bool, as_json: bool) -> None:
    headings = ["time", *query.by, *(column.name for column in query.columns)]
    rows: list[tuple[int, list[Any]]] = [
        (at, [*series.tags.values(), *values]) for series in found for at, values in series.points
    ]
    if as_json:
        told = [{"ts": at} | dict(zip(headings[1:], values, strict=True)) for at, values in rows]
        typer.echo(json.dumps(told, ensure_ascii=False))
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(headings)
        writer.writerows((moment(at), *values) for at, values in rows)
    elif rows:
        table = plain_table(*headings)
        for at, values in rows:
            table.add_row(moment(at), *("" if value is None else _shown(value) for value in values))
        print_for_people(table)
    else:
        typer.echo("nothing was measured then", err=True)


def moment(ts: int) -> str:
    """Return a time for people and spreadsheets: local, ISO 8601 with its offset."""
    return datetime.fromtimestamp(ts / 1000).astimezone().isoformat(timespec="milliseconds" if ts % 1000 else "seconds")


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
