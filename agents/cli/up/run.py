"""The life of ``chargebus up`` from the first process to the last: start, say when it is ready, wait, stop."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from agents.cli.connection.target import Target
from agents.cli.connection.target_choice import UP_DATA
from agents.cli.exits import CliError, ExitCode
from agents.cli.looking.picture import SitePicture
from agents.cli.up.plan import CHARGERS, Plan
from agents.cli.up.ready import agents_missing, follow, what_is_missing
from agents.cli.up.supervisor import Supervisor

_HEAD_START_S = 20.0
"""How long a stage waits for the one before it; should an agent be broken, the others are started all the same."""

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Until:
    """How long to run."""

    ready_within_s: float
    """After this time without readiness, say what is missing; with ``exit_after_s`` give up."""
    exit_after_s: float | None
    """Stop so long after readiness; None for never."""


def run(plan: Plan, until: Until) -> None:
    """Run the plan until a signal or ``until`` ends it. Raises :class:`CliError` if it does not come up."""
    asyncio.run(_run(plan, until))


async def _run(plan: Plan, until: Until) -> None:
    stop = asyncio.Event()
    supervisor = Supervisor(plan, _say)
    _handle_signals(stop, supervisor)
    started = time.monotonic()
    try:
        _say_what_starts(plan)
        await _or_stop(_live(plan, until, supervisor, started), stop)
    finally:
        if supervisor.processes():
            _say("stopping")
            await supervisor.stop()
            _say("stopped; nothing is left running")


async def _live(plan: Plan, until: Until, supervisor: Supervisor, started: float) -> None:
    keeping = asyncio.ensure_future(supervisor.run())
    picture = SitePicture()
    try:
        ready = await _within(until.ready_within_s, _become_ready(plan, supervisor, picture), keeping)
        if not ready:
            missing = "; ".join(what_is_missing(picture, plan))
            logs = _short(plan.choice.data / "logs")
            _say(f"not ready after {until.ready_within_s:g} s, missing: {missing}. Logs: {logs}")
            if until.exit_after_s is not None:
                raise CliError(ExitCode.FAILED, "the site did not become ready in time")
            await _become_ready(plan, supervisor, picture)
        _say_ready(plan, picture, time.monotonic() - started)
        if until.exit_after_s is None:
            await keeping
        await asyncio.sleep(until.exit_after_s or 0)
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


async def _become_ready(plan: Plan, supervisor: Supervisor, picture: SitePicture) -> None:
    """Start stage after stage, and return when the site works. May be called again after a timeout."""
    target = plan.target()
    for stage in plan.stages():
        if not supervisor.has_started(stage):
            await supervisor.start(stage)
            if stage[0].stage < CHARGERS:
                await _head_start(target, picture, plan.agents_of(stage))
    await follow(target, picture, lambda: not what_is_missing(picture, plan))


async def _head_start(target: Target, picture: SitePicture, agents: Sequence[str]) -> None:
    """Return when ``agents`` are online, or are given up for now."""
    if not agents_missing(picture, agents):
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEAD_START_S):
            await follow(target, picture, lambda: not agents_missing(picture, agents))


async def _within(seconds: float, work: Coroutine[Any, Any, None], keeping: asyncio.Future[None]) -> bool:
    """Return whether ``work`` was done in time. Raises what ``work`` or ``keeping`` raises meanwhile."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait({working, keeping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
        if working.done():
            working.result()
        return working.done()
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError, CliError):
            await working


async def _or_stop(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Run ``work`` until it ends or ``stop`` is set."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        stopping.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError, CliError):
            await working


def _handle_signals(stop: asyncio.Event, supervisor: Supervisor) -> None:
    def on_signal() -> None:
        if stop.is_set():  # somebody is in a hurry
            supervisor.kill()
        stop.set()

    for number in _STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def _say(line: str) -> None:
    # A terminal that has been closed must not keep the children from being stopped.
    with contextlib.suppress(OSError, ValueError):
        typer.echo(line)
        sys.stdout.flush()


def _say_what_starts(plan: Plan) -> None:
    choice = plan.choice
    broker = "amqtt (embedded)" if choice.mosquitto is None else choice.mosquitto
    _say(f"site {choice.site} in {_short(choice.data)}")
    _say(f"  broker    127.0.0.1:{choice.broker_port}  {broker}")
    _say(f"  chargers  {choice.chargers} virtual ones with cars and drivers")
    _say(f"  agents    {', '.join(choice.agents)}")
    _say("waiting until every car charges …")


def _say_ready(plan: Plan, picture: SitePicture, seconds: float) -> None:
    choice = plan.choice
    charging = sum(charger.is_charging for charger in picture.chargers.values())
    command = _command()
    default = choice.data == (Path.cwd() / UP_DATA)
    _say(f"ready after {seconds:.1f} s: {choice.chargers} chargers online, {charging} charging")
    _say("")
    _say(f"  page      {plan.page}")
    _say(f"  chargers  {command} status")
    _say(f"  the bus   {command} watch")
    _say(f"  sessions  {command} sessions")
    _say(f"  OCPP      {plan.backend}")
    _say(f"  logs      {_short(choice.data / 'logs')}")
    if not default:
        _say(f"  first     export CHARGEBUS_CONFIG={_short(choice.data / 'site.toml')}")
    _say("")
    _say("Ctrl-C stops it.")


def _command() -> str:
    """Return what to type for this program: its name if that leads here, else its path."""
    program = Path(sys.argv[0]).absolute()
    found = shutil.which("chargebus")
    if program.name != "chargebus" or (found is not None and Path(found).absolute() == program):
        return "chargebus"
    return _short(program)


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
