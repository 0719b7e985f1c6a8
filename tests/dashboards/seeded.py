"""A day of a garage as points: everything that a dashboard shows happens at least once in it.

It ends at ``now_ms``, because some panels ask for the last minute. The messages are real ones of the contract and
become lines by the logger's own writer.
"""

import math
from collections.abc import Iterator
from typing import Any

from agents.influx_logger.lines import LineWriter
from agents.runtime.agent import Received
from bus_schema import Message, Topic, parse_topic
from bus_schema.balancing import CircuitLoad, Decision, GridTelemetry, ShadowComparison, ShadowDecision
from bus_schema.charger_messages import ActiveFault, ActiveSession, Online, State, Telemetry
from bus_schema.event import FaultCleared, FaultRaised, SecurityEvent, SessionEnded, SessionStarted
from bus_schema.message import IdToken
from bus_schema.site_messages import AgentHealth, Alarm, BrokerStatus, OcppTraffic, Rejected
from bus_schema.topics import (
    AGENT_HEALTH,
    AGENT_OCPP,
    AGENT_REJECTED,
    ALARM,
    BROKER_STATUS,
    CHARGER_DECISION,
    CHARGER_EVENT,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
    CIRCUIT_LOAD,
    GRID_TELEMETRY,
    SHADOW_COMPARISON,
    SHADOW_DECISION,
)
from bus_schema.words import ChargerStatus, CpState, Fault, IdTokenType, Severity, StopReason

SITE = "garage"
CHARGERS = ("c1", "c2", "c3", "c10")
BOOT = "0123456789ab"
STEP_MS = 60_000
LENGTH_MS = 26 * 3_600_000
ALARMS = ("influx-spool", "broker-dropping", "ledger-stuck-c1", "over")
CALM = "calm"
"""Name of the day on which nothing goes wrong, though it comes close."""
TOKEN = IdToken(type=IdTokenType.RFID, value="04A2B3C4")


def lines(now_ms: int, calm: bool = False) -> Iterator[str]:
    """Yield the lines of a day on which everything goes wrong, or of a calm one."""
    writer = LineWriter()
    for topic, ids, message in _messages(now_ms, calm):
        address = parse_topic(topic.format(SITE, **ids))
        line = writer.line(Received(message, address, False, now_ms))
        assert line is not None
        yield line
    for over in ALARMS if calm else ("over",):
        yield writer.cleared(parse_topic(ALARM.format(SITE, alarm=over)), now_ms - 3_600_000)


def _messages(now_ms: int, calm: bool) -> Iterator[tuple[Topic[Any], dict[str, str], Message]]:
    begin_ms = now_ms - LENGTH_MS
    energy = dict.fromkeys(CHARGERS, 100_000)
    for ts in range(begin_ms, now_ms + 1, STEP_MS):
        hour = (ts - begin_ms) / 3_600_000
        for index, charger in enumerate(CHARGERS):
            yield from _charger(ts, hour, index, charger, energy, ts - begin_ms, calm)
        yield (
            GRID_TELEMETRY,
            {"meter": "main"},
            GridTelemetry(
                ts=ts, current_l1_a=20 + 5 * math.sin(hour), current_l2_a=18.0, current_l3_a=-2.0, power_w=8000.0
            ),
        )
        for circuit in ("garage", "roof"):
            yield CIRCUIT_LOAD, {"circuit": circuit}, _load(ts, hour, calm)
        for agent in ("ledger", "access", "influx_logger"):
            yield AGENT_HEALTH, {"agent": agent}, AgentHealth(
                ts=ts, online=True, version="0.1.0", started_ts=begin_ms, received=int(hour * 3600), queued=3,
                problems=["the database is not available"] if int(hour) == 5 else [], dropped=int(hour) // 6,
                waiting=int(hour) if agent == "influx_logger" else None,
                waiting_oldest_s=int(hour) * 3 if agent == "influx_logger" else None,
            )  # fmt: skip
        minutes = round(hour * 60)
        yield BROKER_STATUS, {}, BrokerStatus(
            ts=ts, clients_connected=7, clients_total=8, subscriptions=90, messages_received=minutes * 600,
            messages_sent=minutes * 2400, messages_dropped=3 if calm else minutes // 5,
            messages_stored=40 + minutes % 9,
            stored_bytes=9_000, heap_bytes=2_000_000 + minutes, heap_max_bytes=3_000_000,
        )  # fmt: skip
        for agent, backend in (("ocpp_bridge", "steve"), ("ocpp_bridge", "roaming"), ("csms", "csms")):
            keeps = agent == "ocpp_bridge"
            yield AGENT_OCPP, {"agent": agent, "backend": backend}, OcppTraffic(
                ts=ts, charge_points=4, connected=3 + minutes % 2, calls_sent=minutes * 4, calls_received=minutes,
                call_errors_sent=0, call_errors_received=minutes // 60, timeouts=minutes // 300,
                outbox_messages=minutes % 3 if keeps else None, outbox_oldest_s=minutes % 50 if keeps else None,
                round_trip_p50_ms=12.0, round_trip_p99_ms=80.0,
            )  # fmt: skip
    yield from _once(now_ms)


def _charger(
    ts: int,
    hour: float,
    index: int,
    charger: str,
    energy: dict[str, int],
    uptime_ms: int,
    calm: bool,
) -> Iterator[tuple[Topic[Any], dict[str, str], Message]]:
    who = {"charger": charger}
    charging = int(hour / 2 + index) % 2 == 0 or hour > 25.5
    faulted = index == 3 and hour > 25.9 and not calm
    power_w = 7000.0 if charging else 0.0
    energy[charger] += int(power_w / 60)
    session = ActiveSession(
        session_id=f"{BOOT}-{int(hour / 2) + 1}", started_ts=ts - 60_000, start_energy_wh=energy[charger] - 100,
        energy_wh=100, authorized_by="access",
    )  # fmt: skip
    status = ChargerStatus.CHARGING if charging else ChargerStatus.AVAILABLE
    if index == 2 and charging:
        status = ChargerStatus.SUSPENDED_EVSE
    yield CHARGER_STATE, who, State(
        ts=ts, uptime_ms=uptime_ms, boot_id=BOOT, cp_state=CpState.C if charging else CpState.A,
        status=ChargerStatus.FAULTED if faulted else status, contactor_closed=charging,
        offered_current_a=10.0 if charging else 0.0, limited_by="load_balancer",
        limit_reason='10 A: phase L2 of circuit "garage" is full', energy_wh=energy[charger],
        session=session if charging else None, journal_pending=index,
        faults=[ActiveFault(fault=Fault.GROUND_LOST, since_ts=ts)] if faulted else [],
    )  # fmt: skip
    if charging:
        yield CHARGER_TELEMETRY, who, Telemetry(
            ts=ts, uptime_ms=uptime_ms, boot_id=BOOT, voltage_l1_v=230.0, voltage_l2_v=229.0, voltage_l3_v=231.0,
            current_l1_a=10.0, current_l2_a=10.0, current_l3_a=10.0, power_w=power_w, energy_wh=energy[charger],
            temperature_c=40.0 + (28 if calm else 30) * (hour > 25.8), cp_high_v=6.0, cp_low_v=-12.0, duty_percent=16.6,
            offered_current_a=10.0, session_id=session.session_id,
        )  # fmt: skip
        yield CHARGER_DECISION, who, Decision(
            ts=ts, current_a=10.0, valid_until_ts=ts + 60_000, constraint="circuit/garage/L2",
            explanation="10 A: phase L2 of circuit garage is full",
        )  # fmt: skip
    if round(hour * 60) % 120 == index:
        common = {"uptime_ms": uptime_ms, "boot_id": BOOT, "oldest_seq": 1}
        seq = 1 + round(hour * 10)
        yield CHARGER_EVENT, who, SessionStarted(
            ts=ts, seq=seq, session_id=session.session_id, energy_wh=energy[charger], id_token=TOKEN,
            authorized_by="access", **common,
        )  # fmt: skip
        yield CHARGER_EVENT, who, SessionEnded(
            ts=ts + 30_000, seq=seq + 1, session_id=session.session_id, start_energy_wh=energy[charger] - 900,
            energy_wh=energy[charger], reason=StopReason.EV_DISCONNECTED, detail="unplugged", **common,
        )  # fmt: skip


def _load(ts: int, hour: float, calm: bool) -> CircuitLoad:
    fields = {f"limit_l{n}_a": 63.0 for n in (1, 2, 3)} | {f"granted_l{n}_a": 40.0 for n in (1, 2, 3)}
    drawn_l1_a = 30.0 if calm else 30.0 + 10 * math.sin(hour)
    fields |= {"drawn_l1_a": drawn_l1_a, "drawn_l2_a": 10.0, "drawn_l3_a": 20.0}
    return CircuitLoad.model_validate(
        {"ts": ts, "free_a": 23.0, "explanation": "L1 is the fullest phase"}
        | {name: value for name, value in fields.items() if name in CircuitLoad.model_fields}
    )


def _once(now_ms: int) -> Iterator[tuple[Topic[Any], dict[str, str], Message]]:
    """Yield what happens now and then."""
    for charger in CHARGERS:
        who = {"charger": charger}
        common = {"uptime_ms": 1, "boot_id": BOOT, "oldest_seq": 1}
        at_ms = now_ms - 7_200_000
        yield CHARGER_ONLINE, who, Online(ts=at_ms, uptime_ms=1, boot_id=BOOT, online=False)
        yield CHARGER_ONLINE, who, Online(ts=at_ms + 60_000, uptime_ms=1, boot_id=BOOT, online=True)
        yield (
            CHARGER_EVENT,
            who,
            FaultRaised(
                ts=at_ms,
                seq=900,
                fault=Fault.OVER_TEMPERATURE,
                detail="72 °C; at most 71 °C",
                session_id="s-1",
                **common,
            ),
        )
        yield CHARGER_EVENT, who, FaultCleared(ts=at_ms + 9, seq=901, fault=Fault.OVER_TEMPERATURE, **common)
        yield (
            CHARGER_EVENT,
            who,
            SecurityEvent(ts=at_ms, seq=902, kind="StartupOfTheDevice", detail="power was lost", **common),
        )
        yield (
            SHADOW_DECISION,
            {"agent": "load_balancer_shadow", "charger": charger},
            ShadowDecision(
                ts=at_ms,
                current_a=12.0,
                live_current_a=10.0,
                drawn_a=9.5,
                constraint="none",
                explanation="nothing binds",
            ),
        )
    yield SHADOW_COMPARISON, {"agent": "load_balancer_shadow"}, ShadowComparison(
        ts=now_ms - 60_000, since_ts=now_ms - 3_600_000, would_grant_wh=9000, live_grant_wh=8000, drawn_wh=7500,
        differs_s=600, explanation="more for c1",
    )  # fmt: skip
    for number, name in enumerate(ALARMS):
        yield ALARM, {"alarm": name}, Alarm(
            ts=now_ms - 7_200_000, severity=Severity.WARNING if number else Severity.CRITICAL, source="influx_logger",
            since_ts=now_ms - 7_200_000, text="Something is wrong.", remedy="Mend it.", charger="c1",
        )  # fmt: skip
    yield (
        AGENT_REJECTED,
        {"agent": "ledger"},
        Rejected(
            ts=now_ms - 600_000,
            topic="ev/v1/garage/charger/c1/event",
            code="malformed",
            reason="not JSON",
            size_bytes=9,
        ),
    )
