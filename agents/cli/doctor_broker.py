"""What is wrong with the broker: rules about its counters, its settings and its access list."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from agents.cli.doctor_snapshot import Finding, Snapshot
from bus_schema import MAX_MESSAGE_BYTES, Role, Topic
from bus_schema.words import Severity

QUEUED_MESSAGES = 100_000
"""Messages that must be able to wait for an agent that restarts (``max_queued_messages``)."""

INFLIGHT_MESSAGES = 1_000
"""Unacknowledged messages on their way to one agent (``max_inflight_messages``): 20 throttle bursts and lose them."""


class UnreadableSettings(OSError):
    """The broker's configuration file could not be read."""


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings in a ``mosquitto.conf`` and the files that it includes; the last of equal ones counts.

    Raises :class:`UnreadableSettings`.
    """
    settings: dict[str, str] = {}
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            name, _, value = line.strip().partition(" ")
            if name == "include_dir":
                for more in sorted(Path(value.strip()).glob("*.conf")):
                    settings |= read_settings(more)
            elif name and not name.startswith("#"):
                settings[name] = value.strip()
    except OSError as error:
        raise UnreadableSettings(f"{path}: {error.strerror}") from error
    return settings


def losses(snapshot: Snapshot) -> Iterator[Finding]:
    """Messages that the broker drops, by its own count."""
    if not snapshot.dropped:
        yield Finding(
            Severity.INFO,
            "broker",
            "$SYS/broker/publish/messages/dropped",
            "the broker does not tell how many messages it has dropped, or this user may not read it",
            "Let the user technician read $SYS/broker/# (the generated access list does).",
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


def settings(snapshot: Snapshot) -> Iterator[Finding]:
    """Settings of Mosquitto that lose messages, slow them down or let anybody in."""
    if snapshot.settings is None:
        return
    for name, default, wrong, what, remedy in _SETTINGS:
        value = snapshot.settings.get(name, default)
        if wrong(value):
            shown = value or "nothing"
            yield Finding(Severity.WARNING, "broker", name, f"it is {shown}: {what}", f"Set {name} {remedy}.")
    if snapshot.settings.get("allow_anonymous", "false") == "true":
        yield Finding(
            Severity.CRITICAL,
            "acl",
            "allow_anonymous",
            "the broker lets in anybody",
            "Set allow_anonymous false and give everyone a password or a certificate.",
        )
    if "acl_file" not in snapshot.settings and "plugin" not in snapshot.settings:
        yield Finding(
            Severity.CRITICAL,
            "acl",
            "acl_file",
            "there is no access list: everyone may command every charger",
            "Set acl_file to bus_schema/generated/mosquitto.acl.",
        )


def _below(limit: int) -> Callable[[str], bool]:
    def wrong(value: str) -> bool:
        return not value.isdigit() or int(value) < limit  # 0 means unlimited, and breaks delivery on some versions

    return wrong


def _is_not_true(value: str) -> bool:
    return value != "true"


def _cuts_messages(value: str) -> bool:
    return value.isdigit() and 0 < int(value) < MAX_MESSAGE_BYTES


_SETTINGS: tuple[tuple[str, str, Callable[[str], bool], str, str], ...] = (
    (
        "max_queued_messages",
        "1000",
        _below(QUEUED_MESSAGES),
        "an agent that restarts loses what does not fit",
        str(QUEUED_MESSAGES),
    ),
    (
        "max_inflight_messages",
        "20",
        _below(INFLIGHT_MESSAGES),
        "bursts of a hundred chargers are throttled and lost",
        str(INFLIGHT_MESSAGES),
    ),
    (
        "persistence",
        "false",
        _is_not_true,
        "retained and queued messages are gone when the broker restarts",
        "true",
    ),
    ("set_tcp_nodelay", "false", _is_not_true, "QoS 1 takes 40 ms instead of less than one", "true"),
    ("message_size_limit", "0", _cuts_messages, "messages that the contract allows are refused", "0"),
)
"""Name, Mosquitto's default, what is wrong, what it does, what to set."""


def holes(snapshot: Snapshot) -> Iterator[Finding]:
    """What users can write or read although the table of topics says that they must not."""
    for probe in snapshot.loopbacks:
        if probe.arrived:
            yield Finding(
                Severity.CRITICAL,
                "acl",
                probe.topic,
                f"{probe.user} can write this topic; the message came through",
                "Load bus_schema/generated/mosquitto.acl into the broker and reload it.",
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
    if snapshot.user == Role.TECHNICIAN:
        seen = {
            heard.topic: heard.address
            for heard in snapshot.everything()
            if heard.address and not _technician_may_read(heard.address.topic, heard.address.ids)
        }
        for topic in seen:
            yield Finding(
                Severity.CRITICAL,
                "acl",
                topic,
                "the technician can read this topic, which is not meant for people",
                "Load bus_schema/generated/mosquitto.acl into the broker and reload it.",
            )
    for reason in snapshot.untested:
        yield Finding(Severity.INFO, "untested", snapshot.site, reason, "Run the doctor as user technician.")


def _technician_may_read(topic: Topic[Any], ids: dict[str, str]) -> bool:
    if Role.TECHNICIAN not in topic.readers:
        return False
    return not topic.own_read_level or ids[topic.own_read_level] == Role.TECHNICIAN


RULES: tuple[Callable[[Snapshot], Iterable[Finding]], ...] = (losses, queue, settings, holes)
"""Every rule about the broker."""
