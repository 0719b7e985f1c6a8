"""Energy that no charger of its rating can have delivered is flagged, told of, and kept as it came."""

from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.agent import Ledger
from agents.ledger.session import Session, contradictions, impossible_energy
from bus_schema.charger_messages import Meta
from bus_schema.topics import ALARM, CHARGER_EVENT, CHARGER_META, SESSION
from bus_schema.words import Phase
from tests.ledger.events import BOOT, T0, ended, started
from tests.ledger.harness import Hosted
from tests.ledger.test_session import fold

HOUR_MS = 3_600_000


def meta(current_a: float = 32.0, phases: int = 1) -> Meta:
    return Meta(
        ts=T0,
        uptime_ms=1,
        boot_id=BOOT,
        hardware="a",
        firmware="1",
        schema_version="1.0",
        phases=phases,
        phase_rotation=list(Phase)[:phases],
        rated_current_a=current_a,
        fallback_current_a=6.0,
    )


async def test_a_forged_end_of_500_kwh_is_flagged(store_url: str) -> None:
    async with Hosted(Ledger, store_url) as ledger:
        await ledger.hear(CHARGER_META, [meta()], charger="c2", retained=True)
        ledger.clock._start_ms += HOUR_MS
        begin = started(1, 1_000, ts=T0)
        await ledger.hear(CHARGER_EVENT, [begin, ended(2, 1_000, 501_000, ts=T0 + HOUR_MS)], charger="c2")
        record = ledger.bus.take(SESSION)[-1][1]
        assert (record.energy_wh, record.energy_impossible) == (500_000, True), "nothing is dropped"
        [alarm] = [alarm for ids, alarm in ledger.bus.take(ALARM) if ids["alarm"] == "ledger-register-c2"]
        assert "500000 Wh in 3600 s are more than a charger of 8096 W can deliver" in alarm.text


async def test_an_end_that_claims_to_be_of_next_year_gains_no_time_by_it() -> None:
    async with Hosted(Ledger) as ledger:
        await ledger.hear(CHARGER_META, [meta()], charger="c2", retained=True)
        events = [started(1, 1_000, ts=T0), ended(2, 1_000, 501_000, ts=T0 + 200 * 24 * HOUR_MS)]
        await ledger.hear(CHARGER_EVENT, events, charger="c2")
        assert ledger.bus.take(SESSION)[-1][1].energy_impossible


async def test_what_a_charger_can_deliver_survives_a_restart(store_url: str) -> None:
    async with Hosted(Ledger, store_url) as ledger:
        await ledger.hear(CHARGER_META, [meta()], charger="c2", retained=True)
    async with Hosted(Ledger, store_url) as ledger:
        events = [started(1, 1_000, ts=T0), ended(2, 1_000, 501_000, ts=T0 + 60_000)]
        await ledger.hear(CHARGER_EVENT, events, charger="c2")
        assert ledger.bus.take(SESSION)[-1][1].energy_impossible


@given(st.integers(1, 100_000), st.integers(0, 86_400), st.floats(0, 1))
def test_what_a_charger_can_deliver_is_never_flagged(rating_w: int, length_s: int, part: float) -> None:
    energy_wh = int(rating_w * length_s / 3_600 * part)
    session = fold([started(1, 0, ts=T0), ended(2, 0, energy_wh, ts=T0 + length_s * 1_000)])
    rated = Session(
        session.charger, session.session_id, session.start, session.end, session.last, rating_w=rating_w,
        end_received_ms=T0 + length_s * 1_000,
    )  # fmt: skip
    assert impossible_energy(rated) is None
    assert contradictions(rated) == []
    assert impossible_energy(session) is None, "nobody knows what it can deliver"
