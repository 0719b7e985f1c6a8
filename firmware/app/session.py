"""What is known of a session, and of somebody who is authorised to begin one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .resumption import Resumption

    Token = dict[str, Any]


class Awaited:
    """Somebody who is authorised and whose car, or whose meter reading, has not come yet."""

    def __init__(
        self, id_token: "Token", source: str, caps: "dict[str, int | None]", ends: int, parent: "Token | None" = None
    ) -> None:
        self.id_token = id_token
        self.source = source
        self.caps = caps
        self.ends = ends
        self.parent = parent
        """Group of the token."""


class Session:
    """A session that is going on."""

    def __init__(self, session_id: str, awaited: Awaited, start_energy_wh: int, ts: int | None, now: int) -> None:
        self.session_id = session_id
        self.id_token = awaited.id_token
        self.parent = awaited.parent
        self.authorized_by = awaited.source
        self.start_energy_wh = start_energy_wh
        self.ts = ts
        self.caps = awaited.caps
        cap_wh, cap_min = awaited.caps.get("energy_wh"), awaited.caps.get("duration_min")
        self.end_energy_wh = None if cap_wh is None else start_energy_wh + cap_wh
        """Register at which the energy cap is reached."""
        self.ends = None if cap_min is None else now + cap_min * 60_000
        """Ticks at which the time cap is reached."""
        self.delayed_until = now
        self.drew_at = now
        self.seen_wh = start_energy_wh
        self.sampled_at = now
        self.sampled_status = ""
        self.resumption: Resumption | None = None
        """What must be certain before a session that a power loss has interrupted goes on; None once it does."""
        self.ending: dict[str, Any] | None = None
        """Reason and detail once its end has begun."""
        self.open_by = 0
