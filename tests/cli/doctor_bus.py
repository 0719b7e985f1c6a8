"""A healthy bus as the doctor would see it, to be broken by the tests one thing at a time."""

from dataclasses import replace

from agents.cli.connection.heard import Heard, hear
from agents.cli.doctor.snapshot import QueueProbe, Snapshot
from bus_schema import Message, Topic
from bus_schema.examples import examples_of
from bus_schema.topics import AGENT_HEALTH, CHARGER_META, CHARGER_ONLINE, CHARGER_STATE, CHARGER_TELEMETRY

NOW = 1_767_225_600_000
GOOD_SETTINGS = {
    "listener": "1883",
    "allow_anonymous": "false",
    "acl_file": "/etc/mosquitto/acl",
    "max_queued_messages": "100000",
    "max_inflight_messages": "1000",
    "persistence": "true",
    "set_tcp_nodelay": "true",
    "max_packet_size": "8192",
    "max_connections": "2000",
    "use_username_as_clientid": "true",
}
IDS = {
    "charger": "c1",
    "agent": "ledger",
    "meter": "main",
    "asker": "technician",
    "sender": "load_balancer",
    "alarm": "a",
    "session": "s",
}


def example(topic: Topic, /, **changes: object) -> Message:
    """Return the first example of a topic, with other values."""
    return examples_of(topic)[0].model_copy(update=changes)


def said(
    topic: Topic, message: Message, *, kept: bool = False, at: int = NOW, qos: int | None = None, **ids: str
) -> Heard:
    """Return a message as the doctor hears it."""
    address = topic.format("garage", **{name: ids.get(name, IDS[name]) for name in topic.parameters})
    return hear(address, topic.encode(message), topic.qos if qos is None else qos, kept, at)


def raw(address: str, payload: bytes, *, kept: bool = False) -> Heard:
    """Return arbitrary bytes as the doctor hears them."""
    return hear(address, payload, 1, kept, NOW)


def of_charger(charger: str = "c1", *, kept: bool, ts: int = NOW) -> tuple[Heard, ...]:
    """Return what a healthy charger says."""
    return tuple(
        said(topic, example(topic, ts=ts), kept=kept, charger=charger)
        for topic in (CHARGER_ONLINE, CHARGER_META, CHARGER_STATE)
    )


def healthy(**changes: object) -> Snapshot:
    """Return a snapshot in which nothing is wrong, with some of it replaced."""
    health = example(AGENT_HEALTH)
    snapshot = Snapshot(
        site="garage",
        now_ms=NOW,
        listened_s=12.0,
        live=(*of_charger(kept=False), said(CHARGER_TELEMETRY, example(CHARGER_TELEMETRY)), said(AGENT_HEALTH, health)),
        kept=(*of_charger(kept=True), said(AGENT_HEALTH, health, kept=True)),
        dropped=(0, 0),
        settings=GOOD_SETTINGS,
        anonymous_connects=False,
        queue=QueueProbe(1500, 1500),
    )
    return replace(snapshot, **changes)
