"""Plays the sequences of the lease rule to the csms: its state as it is kept, its limit as it is told."""

from typing import Any

from agents.csms.limits import leases_of, limit_at
from agents.csms.recalling import recalled
from agents.csms.settings import Station
from agents.csms.state import ConnectorState, Lease
from bus_schema.generate.lease_vectors import RATED_A, SETTINGS
from bus_schema.lease_rule import next_expiry

STATION = Station(
    rated_current_a=RATED_A,
    fallback_current_a=SETTINGS["fallback_current_a"],
    required_sources=SETTINGS["required_sources"],
)


class Play:
    """A connector whose station agrees to everything."""

    def __init__(self) -> None:
        self.state = recalled(None, STATION, "0123456789ab")

    def outcome(self, step: dict[str, Any]) -> dict[str, Any]:
        """Let a step happen and return how it is then."""
        is_done, now_ms = self._do(step), step["at_ms"]
        limit = limit_at(self.state, now_ms, RATED_A)
        return {
            "done": is_done,
            "current_a": limit.current_a,
            "limited_by": limit.limited_by,
            "limit_reason": limit.reason,
            "offered_a": limit.offer_a,
            "held": sorted(lease.source for lease in self.state.leases),
            "next_ms": next_expiry(self.state.leases, now_ms),
        }

    def _do(self, step: dict[str, Any]) -> bool:
        leases = leases_of(self.state)
        match step["do"]:
            case "set_limit":
                ends_ms = step["at_ms"] + 1000 * step["valid_for_s"]
                lease = Lease(
                    source=step["source"], current_a=step["current_a"], ends_ms=ends_ms, reason=step["reason"]
                )
                changed = leases.granted(lease)
            case "release_limit":
                changed = leases.released(step["source"])
            case "configure":
                wanted = step["settings"]
                changed = leases.configured(
                    wanted.get("required_sources", self.state.required_sources),
                    wanted.get("fallback_current_a", self.state.fallback_current_a),
                )
                if changed is not None:
                    self.state = self.state.model_copy(update=wanted)
            case "pause":
                self.state = self.state.model_copy(update={"paused_by": step["source"], "pause_reason": step["reason"]})
                return True
            case "resume":
                self.state = self.state.model_copy(update={"paused_by": None, "pause_reason": ""})
                return True
            case "restart":
                kept = ConnectorState.model_validate_json(self.state.model_dump_json())
                self.state = recalled(kept, STATION, "ba9876543210")
                return True
            case _:
                return True
        if changed is None:
            return False
        self.state = self.state.model_copy(update={"leases": list(changed.held)})
        return True
