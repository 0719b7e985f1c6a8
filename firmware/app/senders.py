"""Who may command under which source: the rule of ``bus_schema/command.py``, for a sender as the topic names it."""

from .contract import AGENTS, SOURCE_PEOPLE
from .validation import is_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Command = dict[str, Any]


def may_speak_as(sender: str, source: str) -> bool:
    """Tell whether a sender may use a source: agents their own name, people that of all technicians."""
    return is_id(sender) and (source == sender or (source == SOURCE_PEOPLE and sender not in AGENTS))


def name_person(command: "Command", sender: str) -> None:
    """Put who stands behind a command into ``on_behalf_of``; only an agent is believed when it says so itself."""
    if sender not in AGENTS:
        command["on_behalf_of"] = None if sender == command["source"] else sender


def asked_by(command: "Command") -> str:
    """Return who asked, in words: the source, and the person behind it if one is known."""
    source, person = command["source"], command["on_behalf_of"]
    return str(source) if person is None else "%s (%s)" % (source, person)
