"""What is wrong with the broker: rules about its counters, and about what it lets users do."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from agents.cli.doctor.snapshot import Finding, Snapshot, is_technician
from bus_schema import Role, Topic
from bus_schema.charger_messages import Online
from bus_schema.generate.mosquitto import INFLIGHT_MESSAGES, QUEUED_MESSAGES
from bus_schema.site_messages import AgentHealth
from bus_schema.topics import AGENT_HEALTH, CHARGER_ONLINE
from bus_schema.words import Severity

RELOAD = "Make the access list again and let the broker read it: chargebus pki apply."
"""What to do about a list that is not the contract's."""


def losses(snapshot: Snapshot) -> Iterator[Finding]:
    """Messages that the broker drops, by its own count."""
    if not snapshot.dropped and snapshot.broker_tells:
        yield Finding(
            Severity.INFO,
            "broker",
            "$SYS/broker/publish/messages/dropped",
            "the broker tells of itself, but not yet how many messages it has dropped: it has just started",
            "Run chargebus doctor again in 15 s.",
        )
        return
    if not snapshot.dropped:
        yield Finding(
            Severity.INFO,
            "broker",
            "$SYS/broker/publish/messages/dropped",
            "the broker does not tell how many messages it has dropped, or this user may not read it",
            "Let technicians read $SYS/broker/# (the generated access list does), and do not set sys_interval 0.",
        )
        return
    first, last = snapshot.dropped[0], snapshot.dropped[-1]
    if last > first:
        yield Finding(
            Severity.CRITICAL,
            "broker",
            "$SYS/broker/publish/messages/dropped",
            f"the broker is losing messages: {last - first} in {snapshot.listened_s:.0f} s, {last} since its start",
            f"Set max_queued_messages {QUEUED_MESSAGES} and find the subscriber that is too slow or has gone for good.",
        )
    elif last:
        yield Finding(
            Severity.WARNING,
            "broker",
            "$SYS/broker/publish/messages/dropped",
            f"the broker has lost {last} messages since its start, none while it was watched",
            f"Set max_queued_messages {QUEUED_MESSAGES} and max_inflight_messages {INFLIGHT_MESSAGES}.",
        )


def sessions(snapshot: Snapshot) -> Iterator[Finding]:
    """Sessions that the broker keeps for clients of which nothing is known: messages pile up there."""
    away = sum(
        isinstance(heard.message, Online | AgentHealth) and not heard.message.online
        for topic in (CHARGER_ONLINE, AGENT_HEALTH)
        for heard in snapshot.latest(topic)
    )
    unknown = (snapshot.waiting_sessions or 0) - away
    if unknown > 0:
        yield Finding(
            Severity.WARNING,
            "broker",
            "$SYS/broker/clients/disconnected",
            f"the broker keeps messages for {unknown} client{'s' * (unknown != 1)} that nobody here knows, until its "
            "memory is full: before version 1.1 of the contract agents had other client ids",
            "If no other program of yours has a session there, begin with new broker data: docs/upgrading.md.",
        )


def commands(snapshot: Snapshot) -> Iterator[Finding]:
    """Commands that the broker throws away although it says that it has taken them."""
    if snapshot.commands_pass is False:
        yield Finding(
            Severity.CRITICAL,
            "acl",
            "charger/+/command/from/+",
            "a command of this person does not come through: no agent and no technician reaches a charger; the access "
            "list is of an earlier version, or lacks this person",
            "chargebus prepare SITE HOST… --folder FOLDER, then restart the broker with the new mosquitto.conf: "
            "docs/upgrading.md.",
        )


def queue(snapshot: Snapshot) -> Iterator[Finding]:
    """Messages that the broker did not keep for a subscriber that was away."""
    probe = snapshot.queue
    if probe is not None and probe.received < probe.sent:
        yield Finding(
            Severity.CRITICAL,
            "broker",
            "max_queued_messages",
            f"of {probe.sent} messages for a subscriber that was away, the broker kept {probe.received}: an agent that "
            "restarts loses the rest",
            f"Set max_queued_messages {QUEUED_MESSAGES}.",
        )


def holes(snapshot: Snapshot) -> Iterator[Finding]:
    """What users can write or read although the table of topics says that they must not."""
    for probe in snapshot.loopbacks:
        if probe.arrived:
            yield Finding(
                Severity.CRITICAL,
                "acl",
                probe.topic,
                f"{probe.user} can write this topic; the message came through",
                RELOAD,
            )
    if snapshot.anonymous_connects:
        yield Finding(
            Severity.CRITICAL,
            "acl",
            "anonymous",
            "the broker lets in clients without a user name"
            + (f" and hands them {snapshot.anonymous_read} retained messages" if snapshot.anonymous_read else ""),
            "Set allow_anonymous false.",
        )
    if is_technician(snapshot.user):
        seen = {
            heard.topic: heard.address
            for heard in snapshot.everything()
            if heard.address and not _may_read(heard.address.topic, heard.address.ids, snapshot.user)
        }
        for topic in seen:
            yield Finding(
                Severity.CRITICAL,
                "acl",
                topic,
                "the technician can read this topic, which is not meant for people",
                RELOAD,
            )
    for reason in snapshot.untested:
        yield Finding(
            Severity.INFO, "untested", snapshot.site, reason, "Run the doctor as a technician, with two logins free."
        )


def _may_read(topic: Topic[Any], ids: dict[str, str], person: str | None) -> bool:
    if Role.TECHNICIAN not in topic.readers:
        return False
    return not topic.own_read_level or ids[topic.own_read_level] == person


def identities(snapshot: Snapshot) -> Iterator[Finding]:
    """A user who can take another's connection, and with it the session and what waits there."""
    if snapshot.takes_over:
        yield Finding(
            Severity.CRITICAL,
            "identity",
            "client id",
            "a user who says another's client id ends that connection and gets its session: one charger's certificate "
            "can keep every agent off the bus",
            "Set use_username_as_clientid true at every listener and restart the broker.",
        )


RULES: tuple[Callable[[Snapshot], Iterable[Finding]], ...] = (
    losses,
    sessions,
    commands,
    queue,
    holes,
    identities,
)
"""Every rule about the broker."""
