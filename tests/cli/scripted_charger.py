"""A charger that answers as a test tells it to, on a real broker."""

import time
from collections.abc import Callable
from typing import Any, Self

import paho.mqtt.client as paho

from bus_schema import SCHEMA_VERSION, Topic, topics
from bus_schema.charger_messages import ActiveSession, Lease, Meta, Online, State, Telemetry
from bus_schema.command import Command, CommandReply
from bus_schema.words import ChargerStatus, CpState, Phase, ReplyCode, ReplyStage
from tests.waiting import eventually_sync

SITE = "garage"
BOOT: dict[str, Any] = {"boot_id": "0123456789ab", "uptime_ms": 60_000}

Answer = tuple[ReplyStage, ReplyCode, str]
DONE: list[Answer] = [(ReplyStage.DONE, ReplyCode.OK, "")]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def state(status: ChargerStatus = ChargerStatus.AVAILABLE, **changes: Any) -> State:
    fields: dict[str, Any] = {
        "cp_state": CpState.A,
        "contactor_closed": False,
        "offered_current_a": 0.0,
        "limited_by": "hardware",
        "limit_reason": "16 A: the hardware",
        "energy_wh": 1000,
    }
    return State(ts=now_ms(), status=status, **BOOT, **(fields | changes))


def charging_state() -> State:
    return state(
        ChargerStatus.CHARGING,
        cp_state=CpState.C,
        contactor_closed=True,
        offered_current_a=9.0,
        limited_by="load_balancer",
        limit_reason="9 A: phase L2 of circuit garage is full",
        energy_wh=3345,
        session=ActiveSession(
            session_id="0123456789ab-1",
            started_ts=now_ms(),
            start_energy_wh=1000,
            energy_wh=2345,
            authorized_by="access",
        ),
        leases=[Lease(source="load_balancer", current_a=9.0, remaining_s=40)],
    )


class ScriptedCharger:
    """Publishes what a charger publishes, answers each command with ``answers``, and remembers what it was told."""

    def __init__(self, host: str, port: int, charger: str = "c1", now: State | None = None) -> None:
        self.charger = charger
        self.commands: list[Command] = []
        self.answers: Callable[[Command], list[Answer]] = lambda _command: DONE
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"{SITE}-{charger}")
        self._client.username_pw_set(charger)
        self._client.on_message = self._on_message
        online = Online(ts=None, online=False, **BOOT)
        self._client.will_set(self._topic(topics.CHARGER_ONLINE), topics.CHARGER_ONLINE.encode(online), 1, True)
        self._client.connect(host, port)
        self._client.loop_start()
        subscribed: list[int] = []
        self._client.on_subscribe = lambda _c, _u, mid, _r, _p: subscribed.append(mid)
        self._client.subscribe(topics.CHARGER_COMMAND.filter(SITE, charger=self.charger), 1)
        eventually_sync(lambda: subscribed, what="scripted charger is subscribed")
        self.publish(topics.CHARGER_ONLINE, Online(ts=now_ms(), online=True, **BOOT))
        self.publish(topics.CHARGER_META, self.meta())
        self.publish(topics.CHARGER_STATE, state() if now is None else now)

    @staticmethod
    def meta() -> Meta:
        return Meta(
            ts=now_ms(),
            **BOOT,
            hardware="scripted",
            firmware="0",
            schema_version=SCHEMA_VERSION,
            phases=3,
            phase_rotation=[Phase.L1, Phase.L2, Phase.L3],
            rated_current_a=16.0,
            fallback_current_a=6.0,
        )

    @staticmethod
    def reading() -> Telemetry:
        return Telemetry(ts=now_ms(), **BOOT, current_l1_a=8.9, current_l2_a=8.8, power_w=6123.0, offered_current_a=9.0)

    def publish(self, topic: Topic[Any], message: Any) -> None:
        self.publish_raw(topic, topic.encode(message), topic.retained)

    def has_certificate(self, ends_ms: int | None) -> None:
        """Say when the certificate ends that it uses; return when the broker has heard it."""
        self._say_certificate(ends_ms).wait_for_publish(5)

    def takes_certificate(self, ends_ms: int) -> None:
        """Say the same from an answer: on the client's own thread, which cannot wait for itself."""
        self._say_certificate(ends_ms)

    def _say_certificate(self, ends_ms: int | None) -> paho.MQTTMessageInfo:
        meta = self.meta().model_copy(update={"certificate_ends_ts": ends_ms})
        return self._client.publish(self._topic(topics.CHARGER_META), topics.CHARGER_META.encode(meta), 1, True)

    def publish_raw(self, topic: Topic[Any], payload: bytes, retain: bool = False) -> None:
        self._client.publish(self._topic(topic), payload, topic.qos, retain).wait_for_publish(5)

    def _topic(self, topic: Topic[Any]) -> str:
        return topic.format(SITE, charger=self.charger)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        command = topics.CHARGER_COMMAND.decode(message.payload)
        self.commands.append(command)
        for stage, code, reason in self.answers(command):
            reply = CommandReply(
                ts=now_ms(), **BOOT, id=command.id, op=command.op, stage=stage, code=code, reason=reason
            )
            # Not waited for: this is the client's own thread.
            self._client.publish(
                self._topic(topics.CHARGER_COMMAND_REPLY), topics.CHARGER_COMMAND_REPLY.encode(reply), 1
            )

    def vanish(self) -> None:
        """Go without a good-bye, so that the will is published."""
        self._client.socket().close()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
