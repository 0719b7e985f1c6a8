"""The link of a charger that was not told where its broker is: it is never connected."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..app.seam import Owner


class NoBroker:
    """Stands where the MQTT client would."""

    def __init__(self, reason: str) -> None:
        self.owner: Owner
        self.connected = False
        self.last_error = reason
        self.failures = 0
        self._stopping = asyncio.Event()

    def publish(self, topic: str, payload: "str | bytes", qos: int, retain: bool) -> bool:
        """Take nothing."""
        return False

    async def run(self) -> None:
        """Wait for :meth:`stop`."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Let :meth:`run` return."""
        self._stopping.set()
