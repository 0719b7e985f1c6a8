"""Tells when the broker comes and goes, and why it does not come: in the words of whoever failed, once each."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Link(Protocol):
        """The MQTT client, or what stands in its place."""

        connected: bool
        last_error: str


class BrokerWatch:
    """What was last told of a connection."""

    def __init__(self, client: "Link") -> None:
        self._client = client
        self._told = ""

    def news(self) -> "str | None":
        """Return a line for a technician when something has changed since the last call, else None."""
        client = self._client
        if client.connected:
            text = "broker: connected"
        elif client.last_error:
            text = "broker: not connected: " + client.last_error
        else:
            return None
        if text == self._told:
            return None
        self._told = text
        return text
