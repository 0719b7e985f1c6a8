"""One example of every message, for the documents that are generated and for tests.

They tell one story: charger ``c1`` of site ``garage`` charges a car whose driver has presented a card.
"""

from typing import Any

from bus_schema import balancing, charger_messages, command, event, site_messages, topics
from bus_schema.message import SCHEMA_VERSION, IdToken, Message
from bus_schema.topic import Topic
from bus_schema.words import (
    ChargerStatus,
    CpState,
    Fault,
    IdTokenType,
    Phase,
    ReplyCode,
    ReplyStage,
    Severity,
    StopReason,
    Verdict,
)

NOW = 1_767_225_600_000
"""2026-01-01T00:00:00Z, the moment of the examples."""

_BOOT: dict[str, Any] = {"uptime_ms": 5_400_000, "boot_id": "0123456789ab"}
_SENT: dict[str, Any] = {"ts": NOW, **_BOOT}
_NUMBERED: dict[str, Any] = {**_SENT, "seq": 17, "oldest_seq": 12}
_SESSION = "0123456789ab-3"
_CARD = IdToken(type=IdTokenType.RFID, value="04A2B3C4D5E680")
_LIST_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_CHARGER: tuple[tuple[Topic[Any], Message], ...] = (
    (topics.CHARGER_ONLINE, charger_messages.Online(**_SENT, online=True)),
    (
        topics.CHARGER_META,
        charger_messages.Meta(
            **_SENT,
            hardware="olimex-esp32-poe rev. L",
            firmware="0.1.0",
            schema_version=SCHEMA_VERSION,
            phases=3,
            phase_rotation=[Phase.L2, Phase.L3, Phase.L1],
            rated_current_a=32.0,
            fallback_current_a=6.0,
            required_sources=["load_balancer"],
            capabilities=["lock", "rfid"],
            local_list_version=2_063_597_568,
            nominal_voltage_v=230.0,
            certificate_ends_ts=NOW + 825 * 86_400_000,
        ),
    ),
    (
        topics.CHARGER_STATE,
        charger_messages.State(
            **_SENT,
            cp_state=CpState.C,
            status=ChargerStatus.CHARGING,
            contactor_closed=True,
            offered_current_a=9.0,
            limited_by="load_balancer",
            limit_reason="9 A: phase L2 of circuit garage is full",
            energy_wh=1_234_567,
            session=charger_messages.ActiveSession(
                session_id=_SESSION,
                started_ts=NOW - 3_600_000,
                start_energy_wh=1_230_000,
                energy_wh=4_567,
                authorized_by="access",
            ),
            leases=[charger_messages.Lease(source="load_balancer", current_a=9.0, remaining_s=45)],
            faults=[
                charger_messages.ActiveFault(
                    fault=Fault.READER_SILENT, since_ts=NOW - 60_000, detail="no answer for 60 s: check its cable"
                )
            ],
            reservation=charger_messages.Reservation(reservation_id=7, expires_ts=NOW + 3_600_000),
            journal_pending=1,
            last_seq=17,
        ),
    ),
    (
        topics.CHARGER_TELEMETRY,
        charger_messages.Telemetry(
            **_SENT,
            voltage_l1_v=230.1,
            voltage_l2_v=229.8,
            voltage_l3_v=231.0,
            current_l1_a=8.9,
            current_l2_a=9.0,
            current_l3_a=8.8,
            power_w=6_140.0,
            energy_wh=1_234_567,
            temperature_c=41.5,
            temperature_mcu_c=55.0,
            cp_high_v=6.1,
            cp_low_v=-11.9,
            duty_percent=15.0,
            offered_current_a=9.0,
            session_id=_SESSION,
        ),
    ),
    (
        topics.CHARGER_COMMAND_REPLY,
        command.CommandReply(
            **_SENT,
            id="cmd-1",
            op="unlock",
            stage=ReplyStage.REJECTED,
            code=ReplyCode.HARDWARE,
            reason="the lock's end switch did not report open within 3 s: pull the plug and try again",
        ),
    ),
)

_EVENTS: tuple[Message, ...] = (
    event.SessionStarted(
        **_NUMBERED, session_id=_SESSION, energy_wh=1_230_000, id_token=_CARD, authorized_by="access", reservation_id=7
    ),
    event.SessionSampled(**_NUMBERED, session_id=_SESSION, energy_wh=1_234_567, status=ChargerStatus.SUSPENDED_EV),
    event.SessionEnded(
        **_NUMBERED,
        session_id=_SESSION,
        start_energy_wh=1_230_000,
        energy_wh=1_238_000,
        reason=StopReason.LOCAL,
        detail="stopped by the card that started it",
        id_token=_CARD,
    ),
    event.CardPresented(**_NUMBERED, id_token=_CARD),
    event.FaultRaised(**_NUMBERED, fault=Fault.OVER_TEMPERATURE, detail="91 °C at the inlet", session_id=_SESSION),
    event.FaultCleared(**_NUMBERED, fault=Fault.OVER_TEMPERATURE),
    event.SecurityEvent(**_NUMBERED, kind="StartupOfTheDevice", detail="power on"),
)

_ISSUED: dict[str, Any] = {"ts": NOW, "id": "cmd-1", "deadline_ts": NOW + 10_000}

_COMMANDS: tuple[Message, ...] = (
    command.SetLimit(
        **_ISSUED,
        source="load_balancer",
        current_a=9.0,
        valid_for_s=60,
        reason="9 A: phase L2 of circuit garage is full",
    ),
    command.ReleaseLimit(**_ISSUED, source="technician"),
    command.Authorize(
        **_ISSUED,
        source="access",
        id_token=_CARD,
        caps=command.Caps(energy_wh=20_000, duration_min=240),
        connection_timeout_s=120,
    ),
    command.Refuse(**_ISSUED, source="access", id_token=_CARD, reason="This card is not known here."),
    command.Stop(**_ISSUED, source="ocpp_bridge", session_id=_SESSION, reason="stopped by the backend"),
    command.Pause(**_ISSUED, source="technician", on_behalf_of="anna", reason="paused for a repair"),
    command.Resume(**_ISSUED, source="technician"),
    command.Unlock(**_ISSUED, source="technician"),
    command.Reset(**_ISSUED, source="technician", kind="soft"),
    command.SetAvailability(**_ISSUED, source="technician", available=False),
    command.Reserve(**_ISSUED, source="ocpp_bridge", reservation_id=7, id_token=_CARD, expires_ts=NOW + 3_600_000),
    command.CancelReservation(**_ISSUED, source="ocpp_bridge", reservation_id=7),
    command.Trigger(**_ISSUED, source="technician", message="state"),
    command.Configure(
        **_ISSUED, source="technician", settings={"max_current_a": 16.0, "required_sources": ["load_balancer"]}
    ),
    command.UpdateLocalList(
        **_ISSUED,
        source="access",
        version=2_063_597_568,
        base_version=1_815_712_000,
        entries=[
            command.LocalListEntry(
                id_token=_CARD,
                parent_id_token=IdToken(type=IdTokenType.RFID, value="staff"),
                expires_ts=NOW + 30 * 86_400_000,
            )
        ],
        removals=[IdToken(type=IdTokenType.RFID, value="04FFFFFFFFFFFF")],
    ),
    command.UpdateFirmware(
        **_ISSUED,
        source="technician",
        url="https://updates.example/chargebus-0.2.0.bin",
        version="0.2.0",
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        signature="MEUCIQ==",
    ),
    command.RenewCertificate(
        **_ISSUED,
        source="technician",
        certificate_pem="-----BEGIN CERTIFICATE-----\nMIIBxTCCAWugAwIBAgIUQ2hhcmdlciBj\n-----END CERTIFICATE-----\n",
    ),
    command.GetLog(**_ISSUED, source="technician", url="ftp://files.example/logs/", from_ts=NOW - 86_400_000),
    command.Identify(**_ISSUED, source="technician", duration_s=30),
)

_RECORD = event.SessionRecord(
    ts=NOW,
    session_id=_SESSION,
    charger="c1",
    active=False,
    id_token=_CARD,
    authorized_by="access",
    started_ts=NOW - 3_600_000,
    ended_ts=NOW,
    duration_s=3_600,
    start_energy_wh=1_230_000,
    end_energy_wh=1_238_000,
    energy_wh=8_000,
    reason=StopReason.LOCAL,
)

_SITE: tuple[tuple[Topic[Any], Message], ...] = (
    (topics.CHARGER_EVENT_ACK, event.EventAck(ts=NOW, boot_id="0123456789ab", seq=17)),
    (
        topics.CHARGER_DECISION,
        balancing.Decision(
            ts=NOW,
            current_a=9.0,
            valid_until_ts=NOW + 60_000,
            constraint="circuit/garage/L2",
            explanation="9 A: phase L2 of circuit garage is full",
        ),
    ),
    (
        topics.CHARGER_WISH,
        balancing.Wish(
            ts=NOW,
            session_id=_SESSION,
            source="console",
            energy_wh=20_000,
            departure_ts=NOW + 4 * 3_600_000,
            priority=7,
        ),
    ),
    (
        topics.GRID_TELEMETRY,
        balancing.GridTelemetry(
            ts=NOW,
            current_l1_a=-3.5,
            current_l2_a=28.0,
            current_l3_a=12.25,
            voltage_l1_v=230.0,
            voltage_l2_v=229.0,
            voltage_l3_v=231.0,
            power_w=8_500.0,
            import_energy_wh=98_765_432,
            export_energy_wh=1_234,
        ),
    ),
    (
        topics.CIRCUIT_LOAD,
        balancing.CircuitLoad(
            ts=NOW,
            limit_l1_a=42.0,
            limit_l2_a=35.0,
            limit_l3_a=47.0,
            granted_l1_a=33.0,
            granted_l2_a=35.0,
            granted_l3_a=24.0,
            drawn_l1_a=31.5,
            drawn_l2_a=34.0,
            drawn_l3_a=22.75,
            other_l1_a=21.0,
            other_l2_a=28.0,
            other_l3_a=16.0,
            free_a=0.0,
            explanation="fuse 63 A, other loads 28 A by grid meter main",
        ),
    ),
    (
        topics.SHADOW_DECISION,
        balancing.ShadowDecision(
            ts=NOW,
            current_a=11.0,
            live_current_a=9.0,
            drawn_a=8.75,
            constraint="circuit/garage/L2",
            explanation="11 A: phase L2 of circuit garage is full",
        ),
    ),
    (
        topics.SHADOW_COMPARISON,
        balancing.ShadowComparison(
            ts=NOW,
            since_ts=NOW - 3_600_000,
            would_grant_wh=24_000,
            live_grant_wh=22_500,
            drawn_wh=21_000,
            differs_s=840,
            explanation="In 1:00 h it would have granted 24.0 kWh where 22.5 kWh were granted.",
        ),
    ),
    (
        topics.ACCESS_REQUEST,
        site_messages.AccessRequest(
            ts=NOW,
            id="ask-1",
            to="ocpp_bridge",
            source="access",
            charger="c1",
            id_token=_CARD,
            deadline_ts=NOW + 5_000,
        ),
    ),
    (
        topics.ACCESS_REPLY,
        site_messages.AccessReply(
            ts=NOW,
            id="ask-1",
            charger="c1",
            verdict=Verdict.ACCEPTED,
            reason="accepted by the backend",
            caps=command.Caps(energy_wh=20_000),
            parent_id_token=IdToken(type=IdTokenType.BACKEND, value="fleet"),
            expires_ts=NOW + 86_400_000,
        ),
    ),
    (topics.SESSION, _RECORD),
    (
        topics.ALARM,
        site_messages.Alarm(
            ts=NOW,
            severity=Severity.WARNING,
            source="load_balancer",
            since_ts=NOW - 30_000,
            text="Grid meter main has been silent for 30 s.",
            remedy="Check the meter's network cable; until then every charger falls back to 6 A.",
        ),
    ),
    (
        topics.BROKER_STATUS,
        site_messages.BrokerStatus(
            ts=NOW,
            clients_connected=14,
            clients_total=15,
            subscriptions=120,
            messages_received=400_000,
            messages_sent=1_900_000,
            messages_dropped=0,
            messages_stored=310,
            stored_bytes=42_000,
            heap_bytes=4_100_000,
            heap_max_bytes=9_000_000,
        ),
    ),
    (
        topics.AGENT_HEALTH,
        site_messages.AgentHealth(
            ts=NOW, online=True, version="0.1.0", started_ts=NOW - 86_400_000, received=123_456, rejected=2
        ),
    ),
    (
        topics.AGENT_CLAIM,
        site_messages.AgentClaim(ts=NOW, instance="0f1e2d3c4b5a", epoch=12, seq=3_456),
    ),
    (
        topics.AGENT_REJECTED,
        site_messages.Rejected(
            ts=NOW,
            topic="ev/v1/garage/charger/c1/state",
            code="wrong_type",
            reason="charger_state: field offered_current_a: Input should be a valid number",
            size_bytes=412,
        ),
    ),
    (
        topics.AGENT_OCPP,
        site_messages.OcppTraffic(
            ts=NOW,
            charge_points=6,
            connected=5,
            calls_sent=1_204,
            calls_received=37,
            call_errors_sent=1,
            call_errors_received=2,
            timeouts=3,
            outbox_messages=4,
            outbox_oldest_s=95,
            round_trip_p50_ms=4.5,
            round_trip_p99_ms=21.0,
        ),
    ),
    (
        topics.AGENT_QUERY,
        site_messages.SessionsQuery(
            ts=NOW, id="ask-2", source="technician", deadline_ts=NOW + 5_000, charger="c1", limit=3
        ),
    ),
    (
        topics.AGENT_QUERY,
        site_messages.WhyQuery(
            ts=NOW,
            id="ask-3",
            source="technician",
            deadline_ts=NOW + 5_000,
            charger="c1",
            since_ts=NOW - 3_600_000,
        ),
    ),
    (
        topics.AGENT_QUERY,
        site_messages.OcppCallQuery(
            ts=NOW,
            id="ask-4",
            source="technician",
            deadline_ts=NOW + 5_000,
            station="wallbox",
            action="GetConfiguration",
            payload='{"key":["HeartbeatInterval"]}',
        ),
    ),
    (
        topics.AGENT_QUERY,
        site_messages.SettleQuery(
            ts=NOW,
            id="ask-5",
            source="technician",
            deadline_ts=NOW + 5_000,
            charger="c1",
            session_id="4f0c9a1b2d3e-7",
            because="board replaced after water damage",
        ),
    ),
    (
        topics.AGENT_QUERY,
        site_messages.BackendListQuery(
            ts=NOW,
            id="ask-6",
            source="access",
            deadline_ts=NOW + 5_000,
            charger="c1",
            digest=_LIST_DIGEST,
        ),
    ),
    (
        topics.AGENT_ANSWER,
        site_messages.QueryAnswer(
            ts=NOW,
            id="ask-2",
            ok=True,
            sessions=[_RECORD],
            cursor="2026-01-01/17",
        ),
    ),
    (
        topics.AGENT_STATION_ANSWER,
        site_messages.OcppCallAnswer(
            ts=NOW,
            id="ask-4",
            ok=True,
            payload='{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"300"}]}',
        ),
    ),
    (
        topics.CHARGER_BACKEND_LIST,
        site_messages.BackendListNotice(ts=NOW, version=3, count=1, digest=_LIST_DIGEST),
    ),
    (
        topics.AGENT_BACKEND_LIST,
        site_messages.BackendListAnswer(
            ts=NOW,
            id="ask-6",
            ok=True,
            cards=[
                site_messages.BackendCard(
                    id_token=_CARD,
                    parent_id_token=IdToken(type=IdTokenType.RFID, value="FLEET"),
                    expires_ts=NOW + 86_400_000,
                )
            ],
        ),
    ),
    (
        topics.AGENT_STORY,
        site_messages.WhyAnswer(
            ts=NOW,
            id="ask-3",
            ok=True,
            grants=[
                site_messages.GrantRecord(
                    from_ts=NOW - 60_000,
                    current_a=9.0,
                    constraint="circuit/garage/L2",
                    explanation="9 A: phase L2 of circuit garage is full",
                )
            ],
        ),
    ),
)

EXAMPLES: tuple[tuple[Topic[Any], Message], ...] = (
    *_CHARGER,
    *((topics.CHARGER_EVENT, example) for example in _EVENTS),
    *((topics.CHARGER_COMMAND, example) for example in _COMMANDS),
    *_SITE,
)
"""Every topic with an example of every message that it may carry."""


def examples_of(topic: Topic[Any]) -> tuple[Message, ...]:
    """Return the examples for one topic, one per member of its union."""
    return tuple(example for row, example in EXAMPLES if row is topic)
