"""``spool``: what waits for the database, what it refused, what was lost; read from the spool's own file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from agents.cli.connection.target_choice import config_file, load_config
from agents.cli.connection.terminal import ConfigOption, JsonOption
from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app
from agents.influx_logger import spool as file
from agents.influx_logger.agent import InfluxLogger
from agents.runtime.database.store import Store, StoreUnavailable

app = command_app()


@app.command()
def spool(
    letters: Annotated[int, typer.Option("--letters", min=0, max=10_000, help="Most refused points to show.")] = 10,
    retry: Annotated[bool, typer.Option("--retry", help="Write the refused points again.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Give the refused points up, for good.")] = False,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="End the alarm about lost points: you know of them.")
    ] = False,
    process: Annotated[int, typer.Option("--process", min=1, help="Which logger, where several share the work.")] = 1,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what waits for the database, what it refused, what was lost.

    It reads the spool's file, so the logger may run or not. It ends with 1 while there is something to look at: the
    database does not take points, points were refused, or points were lost and nobody has acknowledged it.
    """
    if retry and drop:
        raise typer.BadParameter("either or", param_hint="--retry --drop")
    site = load_config(config_file(config, Path.cwd()))
    url = site.store_url(InfluxLogger.instance(process), local=True)
    if not Path(url.database or "").exists():
        raise CliError(ExitCode.UNKNOWN, f"there is no spool: {url.database} does not exist; has influx_logger run?")
    store = Store(url, InfluxLogger.migrations, threaded=False)
    try:
        told = _work(store, retry, drop, acknowledge, letters)
    except (StoreUnavailable, DBAPIError) as error:
        reason = str(error).splitlines()[0]
        raise CliError(
            ExitCode.FAILED, f"the spool cannot be used: {reason}; one of another version is brought up to date by "
            "`chargebus agent influx_logger`"
        ) from error  # fmt: skip
    finally:
        store.close()
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _print(told)
    trouble = told["trouble"]
    if (trouble and trouble["ended_ts"] is None) or told["refused"]["kept"] or told["lost"]:
        raise typer.Exit(ExitCode.FAILED)


def _work(store: Store, retry: bool, drop: bool, acknowledge: bool, letters: int) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    with Session(store.engine) as db, db.begin():
        done = {}
        if retry:
            done["retried"] = file.retry_dead_letters(db, now_ms)
        if drop:
            done["dropped"] = file.drop_dead_letters(db)
        if acknowledge or drop:
            # Whoever gives them up knows of them.
            done["acknowledged"] = file.acknowledge(db, *([] if acknowledge else [file.REFUSED]))
        waits, trouble = file.filling(db), file.trouble(db)
        lost = file.losses(db)
        return done | {
            "waiting": {
                "points": waits.lines,
                "bytes": waits.size_bytes,
                "oldest_ts": waits.oldest_ms,
                "oldest_age_s": None if waits.oldest_ms is None else max(0, now_ms - waits.oldest_ms) // 1000,
            },
            "trouble": None
            if trouble is None
            else {"reason": trouble.reason, "began_ts": trouble.began_ms, "ended_ts": trouble.ended_ms},
            "lost": {name: {"points": loss.lines, "last_ts": loss.last_ms} for name, loss in lost.items()},
            "refused": {
                "kept": file.count_dead_letters(db),
                "newest": [
                    {"refused_ts": letter.refused_ms, "reason": letter.reason, "line": letter.line}
                    for letter in file.dead_letters(db, letters)
                ],
            },
        }


def _print(told: dict[str, Any]) -> None:
    from agents.cli.looking.history import moment

    for name in ("retried", "dropped", "acknowledged"):
        if name in told:
            typer.echo(f"{name}: {told[name]} points")
    waits = told["waiting"]
    since = "" if waits["oldest_ts"] is None else f", the oldest since {moment(waits['oldest_ts'])}"
    typer.echo(f"waiting: {waits['points']} points, {waits['bytes'] / 1e6:.1f} MB{since}")
    trouble = told["trouble"]
    if trouble is None:
        typer.echo("last error: none")
    else:
        until = "now" if trouble["ended_ts"] is None else moment(trouble["ended_ts"])
        typer.echo(f"last error: {trouble['reason']} ({moment(trouble['began_ts'])} until {until})")
    for name, loss in told["lost"].items():
        typer.echo(f"lost: {loss['points']} points {name}, the last at {moment(loss['last_ts'])}")
    typer.echo(f"refused and kept: {told['refused']['kept']} points")
    for letter in told["refused"]["newest"]:
        typer.echo(f"  {moment(letter['refused_ts'])}  {letter['reason']}\n    {letter['line']}")
