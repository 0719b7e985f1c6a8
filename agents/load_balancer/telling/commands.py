"""The commands that a balancer gives, each with an id that tells whose it is. Pure."""

from typing import Any

from agents.load_balancer.circuits.site import SiteCharger
from agents.load_balancer.granting.due import DEADLINE_S
from agents.load_balancer.granting.history import Known
from agents.load_balancer.seeing.views import SOURCE, ChargerView
from bus_schema.command import Configure, SetLimit, Stop


class Commands:
    """Makes the commands of one life of the balancer."""

    def __init__(self, instance: str, epoch: int) -> None:
        """Ids begin with this process's instance and epoch."""
        self.count = 0
        self._prefix = f"lb-{instance}-{epoch}-"

    def is_own(self, command_id: str) -> bool:
        """Tell whether this life of the balancer has given a command."""
        return command_id.startswith(self._prefix)

    def next_id(self) -> str:
        """Return the id of the next command."""
        self.count += 1
        return f"{self._prefix}{self.count}"

    def set_limit(self, order_id: str, current_a: float, lease_s: float, reason: str, now_ms: int) -> SetLimit:
        """Return a lease."""
        return SetLimit(
            **self._head(order_id, now_ms), current_a=current_a, valid_for_s=round(lease_s), reason=reason[:400]
        )

    def stop(self, drawn_a: float, granted_a: float, now_ms: int) -> Stop:
        """Return the order to a charger that draws too much."""
        reason = f"draws {drawn_a:.1f} A, granted were {granted_a:.1f} A"
        return Stop(**self._head(self.next_id(), now_ms), reason=reason)

    def configure(self, settings: dict[str, Any], now_ms: int) -> Configure:
        """Return the settings that a charger is to take."""
        return Configure(**self._head(self.next_id(), now_ms), settings=settings)

    def _head(self, command_id: str, now_ms: int) -> dict[str, Any]:
        return {
            "ts": now_ms,
            "id": command_id,
            "source": SOURCE,
            "deadline_ts": now_ms + round(DEADLINE_S * 1000),
        }


def wrong_settings(charger: SiteCharger, known: Known, view: ChargerView, *, may_rise: bool) -> dict[str, Any]:
    """Return the settings of a charger that are not what the site's configuration wants, with the right values.

    ``may_rise``: whether it may fall back to more than it does now.
    """
    settings: dict[str, Any] = {}
    if not known.obeys and view.meta is not None:
        settings["required_sources"] = [*view.meta.required_sources, SOURCE][-4:]
    if known.fallback_a > charger.fallback_a or (known.fallback_a < charger.fallback_a and may_rise):
        settings["fallback_current_a"] = charger.fallback_a
    return settings
