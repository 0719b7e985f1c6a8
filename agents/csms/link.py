"""What can be asked of a connected station, whatever version it speaks."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agents.csms.state import Session

Verdict = Literal["accepted", "refused", "unsupported", "unknown"]
"""``unknown``: no answer came; nobody knows whether the station has done it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a station has answered."""

    verdict: Verdict
    words: str = ""
    """The station's own word, for people."""

    @property
    def accepted(self) -> bool:
        """Whether it does it."""
        return self.verdict == "accepted"


class Link(Protocol):
    """A station that is connected and has been accepted. No method raises because of the station."""

    async def limit(self, connector: int, steps: tuple[tuple[int, float], ...], session: Session | None) -> Outcome:
        """Give it a schedule of :func:`agents.csms.limits.schedule`."""

    async def start(self, connector: int, id_tag: str) -> Outcome:
        """Let somebody begin a transaction."""

    async def stop(self, transaction_id: int) -> Outcome:
        """End a transaction."""

    async def unlock(self, connector: int) -> Outcome:
        """Open the lock."""

    async def reset(self, kind: str) -> Outcome:
        """Restart it: ``soft`` or ``hard``."""

    async def set_availability(self, connector: int, available: bool) -> Outcome:
        """Take it out of service or back."""

    async def reserve(
        self, connector: int, reservation_id: int, id_tag: str, parent: str | None, expires_ts: int
    ) -> Outcome:
        """Keep it for somebody."""

    async def cancel_reservation(self, reservation_id: int) -> Outcome:
        """End a reservation."""

    async def trigger(self, connector: int, message: Literal["state", "telemetry"]) -> Outcome:
        """Let it say something now."""

    async def configure(self, settings: dict[str, Any]) -> Outcome:
        """Change settings of :class:`bus_schema.charger_settings.ChargerSettings`, all of them or none."""

    def foreign(self, settings: dict[str, Any]) -> list[str]:
        """Return those of ``settings`` that such a station does not have."""

    async def update_firmware(self, url: str, not_before_ts: int | None) -> Outcome:
        """Let it fetch and install an image."""

    async def get_log(self, url: str, from_ts: int | None, to_ts: int | None) -> Outcome:
        """Let it put its log somewhere."""

    async def ask(self, action: str, payload: dict[str, Any]) -> tuple[Outcome, dict[str, Any]]:
        """Send any call of the protocol, as a technician has written it, and return the answer."""

    async def alive(self, within_s: float) -> bool:
        """Tell whether the station answers within ``within_s`` seconds."""

    async def close(self, reason: str) -> None:
        """Close the connection."""
