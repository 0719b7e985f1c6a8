"""Reads Mosquitto's configuration."""

from collections.abc import Iterator
from pathlib import Path

OF_LISTENER = frozenset(
    {
        "cafile",
        "certfile",
        "crlfile",
        "keyfile",
        "max_connections",
        "require_certificate",
        "use_identity_as_username",
        "use_username_as_clientid",
    }
)
"""Settings that hold for the listener above them only (mosquitto.conf(5)), as far as anything here asks for them."""


class UnreadableSettings(OSError):
    """The broker's configuration file could not be read."""


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings in a ``mosquitto.conf`` and the files that it includes; the last of equal ones counts.

    A setting of a listener is told only if every listener has it, and the weakest value of it: one door that is open
    is enough. Raises :class:`UnreadableSettings`.
    """
    settings: dict[str, str] = {}
    listeners: list[dict[str, str]] = []
    for name, value in _lines(path):
        if name in ("listener", "port"):
            listeners.append({})
        if name in OF_LISTENER:
            (listeners or [settings])[-1][name] = value
        else:
            settings[name] = value
    for name in OF_LISTENER:
        values = [listener.get(name) for listener in listeners]
        if values and None not in values:
            settings[name] = min(str(value) for value in values)  # "false" sorts before "true".
    return settings


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            name, _, value = line.strip().partition(" ")
            if name == "include_dir":
                for more in sorted(Path(value.strip()).glob("*.conf")):
                    yield from _lines(more)
            elif name and not name.startswith("#"):
                yield name, value.strip()
    except OSError as error:
        raise UnreadableSettings(f"{path}: {error.strerror}") from error
