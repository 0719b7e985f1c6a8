"""A session is the same whichever way its events arrive."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.ledger.session import (
    Reading,
    Session,
    SessionEvent,
    apply,
    contradictions,
    duration_s,
    energy_wh,
    is_late,
    record,
    register_went_back,
)
from bus_schema.topics import SESSION as SESSION_TOPIC
from bus_schema.words import IdTokenType, StopReason
from tests.ledger.events import BOOT, CARD, LATER_BOOT, SESSION, T0, ended, sampled, started

FAR = 9_007_199_254_740_991


def fold(events: list[SessionEvent]) -> Session:
    """Do with events what committing does, without a database."""
    session, late = None, False
    for event in events:
        late = late or is_late(event, session)
        session = apply("c1", event, session)
    assert session is not None
    if late:
        readings = [Reading(e.boot_id, e.seq, e.ts, e.energy_wh) for e in events]
        went_back = session.went_back or register_went_back(SESSION, readings)
        return replace(session, went_back=went_back)
    return session


@st.composite
def lives(draw: st.DrawFn) -> list[SessionEvent]:
    """Draw any set of a session's events: with or without start and end, over one boot or two, right or wrong."""
    registers = draw(st.lists(st.integers(0, 3000), min_size=2, max_size=8))
    if draw(st.booleans()):
        registers.sort()
    events: list[SessionEvent] = []
    if draw(st.booleans()):
        events.append(started(1, registers[0]))
    events += [sampled(2 + at, wh) for at, wh in enumerate(registers[1:-1])]
    ends = draw(st.integers(0 if events else 1, 2))
    if ends:
        boot, seq = draw(st.sampled_from([(BOOT, 20), (LATER_BOOT, 1)]))
        ts = draw(st.sampled_from([None, T0 + 60_000]))
        events.append(ended(seq, registers[0], registers[-1], boot=boot, ts=ts))
    if ends == 2:
        events.append(ended(2, registers[0], registers[-1], boot=LATER_BOOT, reason=StopReason.POWER_LOSS))
    return events


@given(st.data())
def test_any_order_and_any_duplicates_give_the_same_session(data: st.DataObject) -> None:
    events = data.draw(lives())
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))))
    first, second = fold(events), fold(shuffled)
    assert first == second
    assert record(first, T0) == record(second, T0)
    assert contradictions(first) == contradictions(second)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=10))
def test_energy_is_the_difference_of_the_registers_and_never_invented(registers: list[int]) -> None:
    samples = [sampled(2 + at, wh) for at, wh in enumerate(registers[1:-1])]
    session = fold([started(1, registers[0]), *samples, ended(99, registers[0], registers[-1])])
    if registers[-1] < registers[0]:
        assert energy_wh(session) is None
    else:
        assert energy_wh(session) == registers[-1] - registers[0]
    told = record(session, T0)
    assert (told.start_energy_wh, told.end_energy_wh) == (registers[0], registers[-1])
    assert bool(contradictions(session)) == (registers != sorted(registers))


def test_a_whole_session() -> None:
    told = record(fold([started(1, 1000), sampled(2, 1500), ended(3, 1000, 3200)]), T0 + 9000)
    assert told.model_dump(exclude={"id_token"}) == {
        "ts": T0 + 9000,
        "session_id": SESSION,
        "charger": "c1",
        "active": False,
        "authorized_by": "access",
        "started_ts": T0 + 1000,
        "ended_ts": T0 + 3000,
        "duration_s": 2,
        "start_energy_wh": 1000,
        "end_energy_wh": 3200,
        "energy_wh": 2200,
        "reason": StopReason.EV_DISCONNECTED,
        "reservation_id": None,
        "settled_by": None,
        "energy_impossible": False,
    }
    assert told.id_token == CARD


def test_an_active_session_shows_the_last_register() -> None:
    told = record(fold([started(1, 1000), sampled(2, 1500)]), T0)
    assert (told.active, told.energy_wh, told.end_energy_wh, told.duration_s) == (True, 500, 1500, None)


def test_an_end_alone_tells_the_energy_but_nobody_who() -> None:
    told = record(fold([ended(3, 1000, 3200)]), T0)
    assert (told.energy_wh, told.id_token, told.started_ts, told.duration_s) == (2200, None, None, None)


def test_a_sample_alone_has_no_energy() -> None:
    session = fold([sampled(3, 1200)])
    assert energy_wh(session) is None
    assert record(session, T0).start_energy_wh is None


def test_a_loss_of_power_ends_the_session_in_another_boot() -> None:
    end = ended(1, 1000, 1800, boot=LATER_BOOT, ts=None, reason=StopReason.POWER_LOSS)
    session = fold([started(1, 1000), sampled(2, 1500), end])
    assert (energy_wh(session), session.active, duration_s(session), contradictions(session)) == (800, False, None, [])


def test_duration_by_uptime_while_the_clock_is_unset() -> None:
    assert duration_s(fold([started(1, 0, ts=None), ended(61, 0, 5)])) == 60


def test_duration_by_uptime_when_the_clock_went_back() -> None:
    assert duration_s(fold([started(1, 0), ended(61, 0, 5, ts=T0 - 5000)])) == 60


def test_no_duration_that_cannot_be_true() -> None:
    assert duration_s(fold([started(1, 0), ended(2, 0, 5, boot=LATER_BOOT, ts=T0 - 5000)])) is None
    assert duration_s(fold([started(1, 0, ts=0), ended(2, 0, 5)])) is None


def test_a_register_that_dips_in_the_middle_is_found_in_any_order() -> None:
    events = [started(1, 1000), sampled(2, 1010), sampled(3, 1005), ended(4, 1000, 1020)]
    for order in (events, events[::-1], [events[3], events[1], events[0], events[2]]):
        session = fold(order)
        assert contradictions(session) == ["its register went back in between"]
        assert energy_wh(session) == 20


def test_start_and_end_that_disagree_are_named() -> None:
    assert contradictions(fold([started(1, 1000), ended(2, 900, 1200)])) == [
        "its start says 1000 Wh and its end says it started at 900 Wh"
    ]


def test_two_ends_keep_the_first_and_are_named() -> None:
    first, second = ended(3, 1000, 1200), ended(1, 1000, 1300, boot=LATER_BOOT, reason=StopReason.POWER_LOSS)
    for order in ([first, second], [second, first]):
        session = fold([started(1, 1000), *order])
        assert session.end is not None
        assert (session.end.energy_wh, session.end.reason) == (1200, "EVDisconnected")
        assert "it has two different starts or ends" in contradictions(session)
        assert "it went on after its end" in contradictions(session)


def test_the_largest_values_become_a_message() -> None:
    token = CARD.model_copy(update={"type": IdTokenType.APP, "value": "\0" * 64})
    told = record(fold([started(FAR - 1, 0, ts=T0, id_token=token), ended(FAR, 0, FAR, ts=T0)]), T0)
    assert SESSION_TOPIC.decode(SESSION_TOPIC.encode(told)) == told
