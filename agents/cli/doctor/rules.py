"""What is wrong on a bus: rules about messages, each a function of the snapshot."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from statistics import median

from agents.cli.connection.heard import Heard
from agents.cli.doctor.snapshot import PROBE_ID, Finding, Snapshot
from bus_schema import SCHEMA_VERSION, ContractError
from bus_schema.charger_messages import Meta, Online
from bus_schema.command import AGENTS, CommandBase, may_speak_as
from bus_schema.generate.acl import reserved_users
from bus_schema.site_messages import AgentHealth, Rejected
from bus_schema.topics import CHARGER_EVENT, CHARGER_META
from bus_schema.words import Severity

COMMANDS_FROM_SENDERS = (1, 1)
"""The version of the contract from which on a command's topic ends with its sender's name."""

SKEW_WARNING_S = 2.0
"""Clocks that differ by more make deadlines and explanations wrong."""

SKEW_CRITICAL_S = 10.0
"""Clocks that differ by more let commands expire before they arrive, or live too long."""


def violations(snapshot: Snapshot) -> Iterator[Finding]:
    """Payloads that cannot be read, and topics that are not in the contract."""
    grouped: dict[tuple[str, str], list[ContractError]] = defaultdict(list)
    for heard in snapshot.everything():
        if heard.error is not None:
            grouped[heard.topic, heard.error.code].append(heard.error)
    for (topic, code), errors in grouped.items():
        times = "" if len(errors) == 1 else f" ({len(errors)} messages)"
        if code == "unknown_topic":
            yield Finding(
                Severity.WARNING,
                "unknown_topic",
                topic,
                f"nobody reads this topic: {errors[0].reason}{times}",
                "Find who writes it and correct its topic; clear it if it is retained.",
            )
        else:
            yield Finding(
                Severity.CRITICAL,
                "schema",
                topic,
                f"{errors[0].reason}{times}",
                f"Every reader drops such messages. Update the sender to schema version {SCHEMA_VERSION}.",
            )


def retention(snapshot: Snapshot) -> Iterator[Finding]:
    """Retained where it is forbidden, or not retained where it must be."""
    kept = {heard.topic for heard in snapshot.kept}
    for heard in snapshot.kept:
        if heard.address is not None and not heard.address.topic.retained:
            yield Finding(
                Severity.CRITICAL if heard.address.topic.name == "charger_command" else Severity.WARNING,
                "retained",
                heard.topic,
                "a message is retained on a topic that is never retained; everyone who connects gets it again",
                f"Clear it: mosquitto_pub -r -n -t {heard.topic}; then find who sets the retain flag.",
            )
    last = {heard.topic: heard for heard in snapshot.live}
    for topic, heard in last.items():
        if heard.address is not None and heard.address.topic.retained and topic not in kept and not heard.clears:
            yield Finding(
                Severity.WARNING,
                "retained",
                topic,
                "published without the retain flag: whoever connects later does not get it",
                "Set the retain flag in the sender.",
            )


def quality_of_service(snapshot: Snapshot) -> Iterator[Finding]:
    """Published with a lower quality of service than the contract says."""
    seen: set[str] = set()
    for heard in snapshot.live:
        if heard.address is None or heard.topic in seen or heard.qos >= heard.address.topic.qos:
            continue
        seen.add(heard.topic)
        yield Finding(
            Severity.WARNING,
            "qos",
            heard.topic,
            f"published with QoS {heard.qos}, the contract says {heard.address.topic.qos}: it may get lost",
            "Correct the sender, or the bridge in between.",
        )


def versions(snapshot: Snapshot) -> Iterator[Finding]:
    """Chargers that speak another version of the contract than this computer."""
    for heard in snapshot.latest(CHARGER_META):
        theirs = heard.message.schema_version if isinstance(heard.message, Meta) else SCHEMA_VERSION
        if _numbers(theirs) < COMMANDS_FROM_SENDERS:
            yield Finding(
                Severity.CRITICAL,
                "version",
                heard.charger or heard.topic,
                f"it speaks schema version {theirs} and does not hear commands of this version: it charges at its "
                "fallback current, by its own list of cards",
                "Update its firmware at the serial cable: chargebus flash PORT (docs/upgrading.md).",
            )
        if _numbers(theirs) > _numbers(SCHEMA_VERSION):
            yield Finding(
                Severity.INFO,
                "version",
                heard.charger or heard.topic,
                f"it speaks schema version {theirs}, this computer knows {SCHEMA_VERSION}; new fields are ignored here",
                "Update the agents.",
            )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def rejections(snapshot: Snapshot) -> Iterator[Finding]:
    """What agents report that they could not read or handle."""
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    reasons: dict[tuple[str, str, str], str] = {}
    for heard in snapshot.live:
        if isinstance(heard.message, Rejected) and heard.address and PROBE_ID not in heard.message.topic:
            key = heard.address.ids["agent"], heard.message.topic, heard.message.code
            counts[key] += heard.message.count
            reasons[key] = heard.message.reason
    for (agent, topic, code), count in counts.items():
        yield Finding(
            Severity.WARNING,
            "rejected",
            topic,
            f"agent {agent} has rejected {count} ({code}): {reasons[agent, topic, code]}",
            "Correct whoever writes this topic." if code != "handler_failed" else "See the agent's log.",
        )


def clocks(snapshot: Snapshot) -> Iterator[Finding]:
    """Clocks that are wrong or unset. With three senders or more, a common difference is this computer's own."""
    skews: dict[str, list[float]] = defaultdict(list)
    unset: set[str] = set()
    for heard in snapshot.live:
        sender = _sender(heard)
        if sender is None or heard.message is None or _tells_an_earlier_moment(heard):
            continue
        if heard.message.ts is None:
            unset.add(sender)
        else:
            skews[sender].append((heard.message.ts - heard.received_ms) / 1000)
    for sender in sorted(unset):
        yield Finding(
            Severity.WARNING,
            "clock",
            sender,
            "its clock is unset: it refuses limits, and its sessions have no times",
            "Check that the ledger runs and is on the bus: a charger takes the time from its receipts.",
        )
    # Waiting in a queue only makes a message look older, so the youngest one tells the clock.
    offsets = {sender: max(values) for sender, values in skews.items()}
    common = median(offsets.values()) if len(offsets) >= 3 else 0.0
    if abs(common) > SKEW_WARNING_S:
        yield _skew("this computer", -common)
    else:
        common = 0.0
    for sender, offset in sorted(offsets.items()):
        if abs(offset - common) > SKEW_WARNING_S:
            yield _skew(sender, offset - common)


def names(snapshot: Snapshot) -> Iterator[Finding]:
    """Devices that are called like a role: at the broker they would have that role's rights."""
    devices = {
        value
        for heard in snapshot.everything()
        if heard.address
        for level, value in heard.address.ids.items()
        if level in ("charger", "meter")
    }
    for name in sorted(devices & reserved_users()):
        yield Finding(
            Severity.CRITICAL,
            "name",
            name,
            "a charger or meter has the name of an agent: the same broker user, so each has the other's rights",
            "Give the device another id.",
        )


def sources(snapshot: Snapshot) -> Iterator[Finding]:
    """Commands under a name that is not their sender's: a wrong program, or somebody who tries."""
    tried: dict[tuple[str, str], list[str]] = defaultdict(list)
    for heard in snapshot.everything():
        if isinstance(heard.message, CommandBase) and heard.address and heard.charger != PROBE_ID:
            sender, source = heard.address.ids["sender"], heard.message.source
            if not may_speak_as(sender, source):
                tried[sender, source].append(heard.charger or "")
    for (sender, source), chargers in tried.items():
        whom = ", ".join(sorted(set(chargers)))
        yield Finding(
            Severity.CRITICAL,
            "source",
            f"sender {sender}",
            f"it commands as {source}, which chargers refuse: {len(chargers)} times to {whom}",
            "If this is a program of yours, let it use its own name as source. Else revoke the sender's certificate "
            "or password: somebody uses it.",
        )


RULES: tuple[Callable[[Snapshot], Iterable[Finding]], ...] = (
    violations,
    retention,
    quality_of_service,
    versions,
    rejections,
    clocks,
    names,
    sources,
)
"""Every rule about messages."""


def _sender(heard: Heard) -> str | None:
    """Return who wrote a message, as far as its topic tells."""
    if heard.address is None:
        return None
    own = heard.address.topic.own_level
    who = heard.address.ids.get(own)
    if own == "" or who is None:
        return None
    return f"agent {who}" if own == "agent" or who in AGENTS else who


def _tells_an_earlier_moment(heard: Heard) -> bool:
    """An event's time is when it happened, a will's is when it was registered: neither tells the clock now."""
    is_will = isinstance(heard.message, Online | AgentHealth) and not heard.message.online
    return is_will or (heard.address is not None and heard.address.topic is CHARGER_EVENT)


def _skew(sender: str, offset_s: float) -> Finding:
    return Finding(
        Severity.CRITICAL if abs(offset_s) > SKEW_CRITICAL_S else Severity.WARNING,
        "clock",
        sender,
        f"its clock is {abs(offset_s):.1f} s {'fast' if offset_s > 0 else 'slow'}: deadlines of commands fail",
        "An agent has the clock of its computer: set that, or let it be set (NTP). A charger takes the ledger's.",
    )
