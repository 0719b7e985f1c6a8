"""What the earlier version's chargers and agents have said, retained or still in their journals, is read."""

import json
from typing import Any

import pytest

from bus_schema.topics import TOPICS
from tests.upgrading.earlier_site import EARLIER

MESSAGES: dict[str, list[dict[str, Any]]] = json.loads((EARLIER / "messages.json").read_text())
MOVED = {"charger/{charger}/command": "charger/{charger}/command/from/{sender}"}


@pytest.mark.parametrize("pattern", MESSAGES)
def test_the_earlier_messages_are_read(pattern: str) -> None:
    """Its examples of every topic, written by its own code."""
    (topic,) = [topic for topic in TOPICS if topic.pattern == MOVED.get(pattern, pattern)]
    for message in MESSAGES[pattern]:
        read = json.loads(topic.encode(topic.decode(json.dumps(message).encode())))
        assert _holds(read, message), message


def _holds(read: Any, said: Any) -> bool:
    """Tell whether everything that was said is read; fields may have been added."""
    if isinstance(said, dict):
        return all(name in read and _holds(read[name], value) for name, value in said.items())
    if isinstance(said, list):
        return len(read) == len(said) and all(map(_holds, read, said))
    return bool(read == said)
