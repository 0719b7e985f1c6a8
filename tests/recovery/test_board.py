"""A charger gets a new board: the session that the old one had open is named, closed at its last register, and charging
begins again. The firmware's own app and the ledger itself, with their messages carried by hand."""

import json

from agents.ledger.agent import Ledger
from bus_schema.topics import ALARM, CHARGER_EVENT, CHARGER_STATE, SESSION
from tests.firmware.app.fakes import Bench, MemoryStorage
from tests.ledger.harness import Hosted
from tests.ledger.test_settling import settle


async def carry(bench: Bench, ledger: Hosted) -> None:
    """Deliver everything that the charger has said since the last time, in its order."""
    sent, bench.link.sent[:] = list(bench.link.sent), []
    bench._acked = 0
    for row, name in ((CHARGER_EVENT, "event"), (CHARGER_STATE, "state")):
        said = [row.decode(json.dumps(message).encode()) for topic, message in sent if topic == name]
        await ledger.hear(row, said, charger="c1")


async def test_a_new_board_begins_and_the_session_of_the_old_one_is_settled() -> None:
    bench = Bench()
    async with Hosted(Ledger, stuck_alarm_after_s=600) as ledger:
        bench.charge()
        bench.run(3600)
        register_wh = int(bench.meter.wh)
        [session_id] = {event["session_id"] for event in bench.events("session_started")}
        sampled_wh = [event["energy_wh"] for event in bench.events("session_sampled")][-1]
        await carry(bench, ledger)
        ledger.bus.take(SESSION)

        bench.storage = MemoryStorage()  # The new board's flash. The meter is the old one, and so is the car.
        bench.boot()
        bench.run(40)
        await carry(bench, ledger)
        await ledger.clock.advance(700)
        raised = {ids["alarm"]: alarm for ids, alarm in ledger.bus.take(ALARM) if alarm}
        assert list(raised) == ["session-stuck-c1"]
        assert f"Session {session_id} of charger c1 has no end on record" in raised["session-stuck-c1"].text

        answer = await settle(ledger, session_id)
        [closed] = answer.sessions
        start_wh = 1000
        assert closed.energy_wh == sampled_wh - start_wh
        assert register_wh - sampled_wh < 3600, "lost: what was drawn after the last sample"
        assert ({"alarm": "session-stuck-c1"}, None) in ledger.bus.take(ALARM)

        bench.cp("B")
        assert bench.authorize()["stage"] == "done"
        bench.cp("C")
        bench.run(60)
        bench.cp("A")
        bench.run(5)
        await carry(bench, ledger)
        ended = [record for _, record in ledger.bus.take(SESSION) if not record.active]
        assert [record.session_id == session_id for record in ended][-1] is False
        assert ended[-1].energy_wh > 0
        assert not [alarm for _, alarm in ledger.bus.take(ALARM) if alarm]
