"""Scripted chargers and agents: what a test wants said is published to the broker, in the contract's own words."""

import time
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho

from bus_schema import Topic
from bus_schema.site_messages import AgentHealth, Alarm
from bus_schema.topics import (
    AGENT_HEALTH,
    ALARM,
    CHARGER_META,
    CHARGER_ONLINE,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
)
from bus_schema.words import ChargerStatus, Severity
from tests.console import messages

SITE = "garage"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Stage:
    """Publishes for chargers and agents."""

    def __init__(self, host: str, port: int) -> None:
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="stage")
        self._host, self._port = host, port

    def __enter__(self) -> "Stage":
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: Topic[Any], message: Any, **ids: str) -> None:
        """Publish, and at QoS 1 wait until the broker has it."""
        payload = b"" if message is None else topic.encode(message)
        info = self._client.publish(topic.format(SITE, **ids), payload, topic.qos, topic.retained)
        if topic.qos:
            info.wait_for_publish(5)

    def charger(self, charger: str, status: ChargerStatus = ChargerStatus.AVAILABLE, **fields: Any) -> None:
        """Let a charger come: online, meta, state."""
        self.say(CHARGER_ONLINE, messages.online(ts=now_ms()), charger=charger)
        self.say(CHARGER_META, messages.meta(ts=now_ms()), charger=charger)
        self.state(charger, status, **fields)

    def state(self, charger: str, status: ChargerStatus = ChargerStatus.CHARGING, **fields: Any) -> None:
        self.say(CHARGER_STATE, messages.state(status, **{"ts": now_ms(), **fields}), charger=charger)

    def measured(self, charger: str, amperes: float, **fields: Any) -> None:
        """Telemetry of three equal phases at 230 V."""
        self.say(
            CHARGER_TELEMETRY,
            messages.telemetry(
                **{
                    "ts": now_ms(),
                    "current_l1_a": amperes,
                    "current_l2_a": amperes,
                    "current_l3_a": amperes,
                    "power_w": round(amperes * 690.0, 1),
                    **fields,
                }
            ),
            charger=charger,
        )

    def offline(self, charger: str) -> None:
        self.say(CHARGER_ONLINE, messages.online(False, ts=now_ms()), charger=charger)

    def agent(self, agent: str, *, online: bool = True, problems: tuple[str, ...] = ()) -> None:
        health = AgentHealth(ts=now_ms(), online=online, version="0.1.0", started_ts=now_ms(), problems=list(problems))
        self.say(AGENT_HEALTH, health, agent=agent)

    def alarm(self, name: str, severity: Severity, text: str, remedy: str, charger: str | None = None) -> None:
        self.say(
            ALARM,
            Alarm(
                ts=now_ms(),
                severity=severity,
                source="ledger",
                since_ts=now_ms(),
                text=text,
                remedy=remedy,
                charger=charger,
            ),
            alarm=name,
        )

    def alarm_over(self, name: str) -> None:
        self.say(ALARM, None, alarm=name)
