"""What is wrong with the broker's settings: rules about its configuration file, where that could be read."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from agents.cli.doctor.broker import RELOAD
from agents.cli.doctor.snapshot import Finding, Snapshot
from bus_schema import MAX_MESSAGE_BYTES
from bus_schema.generate.mosquitto import (
    INFLIGHT_MESSAGES,
    MAX_CONNECTIONS,
    MAX_PACKET_BYTES,
    QUEUED_MESSAGES,
)
from bus_schema.words import Severity


def losing(snapshot: Snapshot) -> Iterator[Finding]:
    """Settings that lose messages, slow them down, or let one client take the memory of all."""
    if snapshot.settings is None:
        return
    for name, default, wrong, what, remedy in _SETTINGS:
        value = snapshot.settings.get(name, default)
        if wrong(value):
            shown = value or "nothing"
            yield Finding(Severity.WARNING, "broker", name, f"it is {shown}: {what}", f"Set {name} {remedy}.")


def opening(snapshot: Snapshot) -> Iterator[Finding]:
    """Settings that let anybody in, or one user be another."""
    settings = snapshot.settings
    if settings is None:
        return
    if settings.get("allow_anonymous", "false") == "true":
        yield _hole("acl", "allow_anonymous", "the broker lets in anybody",
                    "Set allow_anonymous false and give everyone a password or a certificate.")  # fmt: skip
    if "acl_file" not in settings and "plugin" not in settings:
        yield _hole("acl", "acl_file", "there is no access list: everyone may command every charger",
                    "Set acl_file to the list that chargebus prepare makes.")  # fmt: skip
    if settings.get("use_username_as_clientid") != "true" and snapshot.takes_over is not True:
        yield _hole("identity", "use_username_as_clientid", "it is not set at every listener: a user who says "
                    "another's client id ends that connection and gets its session",
                    "Set use_username_as_clientid true at every listener and restart the broker.")  # fmt: skip
    if "certfile" in settings:
        yield from _certificates(settings)


def _certificates(settings: Mapping[str, str]) -> Iterator[Finding]:
    for name in ("require_certificate", "use_identity_as_username"):
        if settings.get(name) != "true":
            yield _hole("identity", name, "it is not set: a user need not have the certificate of that name",
                        f"Set {name} true and restart the broker.")  # fmt: skip
    if "crlfile" not in settings:
        yield _hole("identity", "crlfile", "no list of revoked certificates: a stolen charger or laptop cannot be "
                    "shut out", "Set crlfile to the revoked.crl that chargebus prepare makes.")  # fmt: skip


def rights(snapshot: Snapshot) -> Iterator[Finding]:
    """An access list that is not what the contract, the certificates and ``site.toml`` make."""
    if snapshot.access_list is None:
        return
    if any(line.startswith("pattern ") for line in snapshot.access_list.splitlines()):
        yield _hole("acl", "acl_file", "it has pattern rules, which hold for every user: one whose certificate is "
                    "revoked keeps its rights over an open connection", RELOAD)  # fmt: skip
    elif snapshot.access_list_due is not None and snapshot.access_list != snapshot.access_list_due:
        yield Finding(
            Severity.WARNING,
            "acl",
            "acl_file",
            "it is not what the contract, the certificates and site.toml make of it: users or stations are missing, "
            "or have rights that they should not",
            RELOAD,
        )


def _hole(check: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(Severity.CRITICAL, check, where, what, remedy)


def _below(limit: int) -> Callable[[str], bool]:
    def wrong(value: str) -> bool:
        return not value.isdigit() or int(value) < limit  # 0 means unlimited, and breaks delivery on some versions

    return wrong


def _is_not_true(value: str) -> bool:
    return value != "true"


def _cuts_messages(value: str) -> bool:
    return value.isdigit() and 0 < int(value) < MAX_MESSAGE_BYTES


def _is_no_limit(value: str) -> bool:
    return not value.isdigit() or int(value) == 0


def _is_no_packet_limit(value: str) -> bool:
    """Tell whether packets of the contract do not get through, or packets come that take the broker's memory."""
    return not value.isdigit() or not MAX_MESSAGE_BYTES + 512 <= int(value) <= 16 * MAX_PACKET_BYTES


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
    (
        "max_packet_size",
        "0",
        _is_no_packet_limit,
        "either a few connections can take the broker's memory, or messages of the contract do not get through",
        str(MAX_PACKET_BYTES),
    ),
    (
        "max_connections",
        "-1",
        _is_no_limit,
        "connections that say nothing can take every descriptor of the broker",
        str(MAX_CONNECTIONS),
    ),
)
"""Name, Mosquitto's default, what is wrong, what it does, what to set."""


RULES: tuple[Callable[[Snapshot], Iterable[Finding]], ...] = (losing, opening, rights)
"""Every rule about the broker's settings."""
