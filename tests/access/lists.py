"""Access that sends lists, and the firmware that takes them."""

import json
from typing import Any

from bus_schema.charger_messages import Meta
from bus_schema.command import UpdateLocalList
from bus_schema.topics import CHARGER_COMMAND, CHARGER_COMMAND_REPLY, CHARGER_META, CHARGER_STATE
from bus_schema.words import ChargerStatus, Phase, ReplyCode, ReplyStage
from tests.access.test_agent import reply
from tests.access.test_plugging import state
from tests.firmware.app.fakes import Bench
from tests.ledger.events import BOOT, T0
from tests.ledger.harness import Hosted


def meta(version: int | None) -> Meta:
    return Meta(
        ts=T0,
        uptime_ms=1,
        boot_id=BOOT,
        hardware="virtual",
        firmware="0.1.0",
        schema_version="1.0",
        phases=1,
        phase_rotation=[Phase.L1],
        rated_current_a=32.0,
        fallback_current_a=6.0,
        local_list_version=version,
    )


def pieces(access: Hosted) -> list[UpdateLocalList]:
    return [command for _, command in access.bus.take(CHARGER_COMMAND) if isinstance(command, UpdateLocalList)]


async def says(access: Hosted, version: int | None) -> None:
    """The charger is there and tells its version."""
    await access.hear(CHARGER_META, [meta(version)], charger="c1")
    await access.hear(CHARGER_STATE, [state(1, ChargerStatus.AVAILABLE)], charger="c1")


async def done(access: Hosted, command: UpdateLocalList, **fields: Any) -> None:
    answer = reply(command.id, **{"op": "update_local_list", **fields})
    await access.hear(CHARGER_COMMAND_REPLY, [answer], charger="c1")


async def bring_up_to_date(access: Hosted, bench: Bench) -> None:
    """Let the charger say which list it has, and take the pieces that it is sent, until there are none."""
    idle = 0
    while idle < 2:
        idle += 1
        await says(access, bench.of("meta")[-1]["local_list_version"])
        await access.clock.advance(6)
        while fresh := pieces(access):
            idle = 0
            for command in fresh:
                fields = json.loads(CHARGER_COMMAND.encode(command)) | {"ts": bench.command("x")["ts"]}
                bench.deliver(json.dumps(fields | {"deadline_ts": fields["ts"] + 5000}).encode(), sender="access")
                answer = bench.replies(command.id)[-1]
                stage, code = ReplyStage(answer["stage"]), ReplyCode(answer["code"])
                await done(access, command, stage=stage, code=code)
