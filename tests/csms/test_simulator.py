"""A third-party station: ``em-ocpp-chargepoint-simulator`` of npm charges through the csms and a lease throttles it."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bus_schema.command import Authorize, SetLimit, Stop
from bus_schema.message import IdToken
from bus_schema.topics import CHARGER_COMMAND, CHARGER_COMMAND_REPLY, CHARGER_EVENT, CHARGER_STATE, CHARGER_TELEMETRY
from bus_schema.words import IdTokenType, ReplyStage
from tests.csms.test_server import RealTime
from tests.missing import missing
from tests.waiting import eventually

pytestmark = pytest.mark.slow

PACKAGE = "em-ocpp-chargepoint-simulator"
SCRIPT = Path(__file__).with_name("simulator.js")


@pytest.fixture
def simulator() -> Path:
    """The simulator's program: ``npm install em-ocpp-chargepoint-simulator``, here or where OCPP_SIMULATOR points."""
    if shutil.which("node") is None:
        missing("node")
    for folder in (os.environ.get("OCPP_SIMULATOR"), Path(__file__).parents[2] / "node_modules" / PACKAGE):
        program = Path(folder or "/nowhere") / "build/src/main.js"
        if program.is_file():
            return program
    missing(f"the OCPP simulator (npm install {PACKAGE}, or set OCPP_SIMULATOR to its folder)")


@contextlib.asynccontextmanager
async def running(program: Path, url: str) -> AsyncIterator[None]:
    relative = os.path.relpath(SCRIPT, program.parent)
    process = await asyncio.create_subprocess_exec(
        "node",
        str(program),
        relative,
        cwd=program.parent,
        env={**os.environ, "CSMS_URL": url},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_it_charges_and_is_throttled_by_a_lease(simulator: Path) -> None:
    async with RealTime(stations={"box": {"required_sources": ["load_balancer"]}}) as site:
        drawn: list[float | None] = []

        def watch() -> list[float | None]:
            drawn.extend(message.current_l1_a for _, message in site.bus.take(CHARGER_TELEMETRY))
            return drawn

        def online() -> bool:
            connector = site.agent._ports["box-1"].connector
            return connector.online and connector.state.obeys and connector.state.status == "Available"

        async with running(simulator, site.url()):
            await eventually(online, 20, "the simulator has booted and taken the fallback")
            token = IdToken(type=IdTokenType.APP, value="driver")
            assert (await ask(site, site.command(Authorize, id_token=token))).stage is ReplyStage.DONE
            await eventually(lambda: 6.0 in watch(), 10, "it draws the fallback: nobody has granted more")
            assert set(drawn) == {6.0}
            for granted in (16.0, 9.0):
                reply = await ask(site, site.command(SetLimit, "load_balancer", current_a=granted, valid_for_s=60))
                assert reply.stage is ReplyStage.DONE
                site.bus.take(CHARGER_TELEMETRY)
                drawn.clear()
                await eventually(lambda: len(watch()) >= 3, 10, f"it draws {granted} A")
                assert drawn[-1] == granted
            await ask(site, site.command(SetLimit, "load_balancer", current_a=20.0, valid_for_s=3))
            await eventually(lambda: 20.0 in watch(), 10, "it draws 20 A")
            await eventually(lambda: watch()[-1:] == [6.0], 10, "nobody renews the lease: it falls to the fallback")
            assert (await ask(site, site.command(Stop))).stage is ReplyStage.DONE
            ended = await eventually(
                lambda: [e for _, e in site.bus.take(CHARGER_EVENT) if e.type == "session_ended"], 10
            )
            assert ended[0].energy_wh > ended[0].start_energy_wh == 10_000
            assert site.bus.take(CHARGER_STATE)


async def ask(site: RealTime, command: Any) -> Any:
    site.bus.take(CHARGER_COMMAND_REPLY)
    site.put(CHARGER_COMMAND, command, charger="box-1", sender=command.source)
    found: list[Any] = await eventually(
        lambda: [reply for reply in site.replies() if reply.id == command.id], 10, f"an answer to {command.op}"
    )
    return found[-1]
