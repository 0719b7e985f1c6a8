"""Plays the sequences of the lease rule to the charger's own code: what executes commands, what finds the limit."""

from types import SimpleNamespace
from typing import Any

from bus_schema.generate.lease_vectors import RATED_A, SETTINGS
from firmware.app.drive import Drive
from firmware.app.leases import Leases
from firmware.app.operations import Operations
from firmware.app.settings import Settings
from firmware.app.text import clip
from firmware.app.validation import check_values
from tests.firmware.app.fakes import MemoryStorage

SNAPSHOT: Any = SimpleNamespace(derated_a=RATED_A, cable_a=1000.0)


class Play:
    """A charger in which everything but settings, leases and limits is still."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.boot()
        assert self._execute({"do": "configure", "at_ms": 0, "settings": SETTINGS})

    def boot(self) -> None:
        self.settings = Settings(self.storage)
        self.settings.load()
        self.leases = Leases(self.storage)
        self.leases.load()
        self.sessions: Any = SimpleNamespace(paused=False, paused_by="", pause_reason="", session=None, plugged=False)
        hardware: Any = SimpleNamespace(pilot=None, ratings=SimpleNamespace(rated_current_a=RATED_A))
        nothing: Any = SimpleNamespace(temperature_c=25.0)
        self.drive = Drive(hardware, nothing, self.settings, self.leases, self.sessions, nothing, nothing)
        charger: Any = SimpleNamespace(
            leases=self.leases,
            settings=self.settings,
            events=SimpleNamespace(record=lambda *_: None),
            trigger=lambda _: None,
            take_settings=self._take_settings,
        )
        self._operations = Operations(charger)
        self._take_settings()

    def _take_settings(self) -> None:
        self.leases.configure(self.settings.required_sources, self.settings.fallback_current_a)

    def outcome(self, step: dict[str, Any]) -> dict[str, Any]:
        """Let a step happen and return how it is then."""
        is_done, now = self._do(step), step["at_ms"]
        self.leases.expire(now)
        limit = self.drive.find_limit(SNAPSHOT, now)
        return {
            "done": is_done,
            "current_a": limit.current_a,
            "limited_by": limit.limited_by,
            "limit_reason": clip(limit.reason),  # as the state message has it
            "offered_a": limit.offer_a(),
            "held": sorted(self.leases.by_source),
            "next_ms": self.leases.next_expiry(),
        }

    def _execute(self, step: dict[str, Any]) -> bool:
        head = {"id": "x", "ts": 0, "deadline_ts": 0, "source": "test", "op": step["do"]}
        return self._operations.execute(check_values(head | step), step["at_ms"])[0] == "done"

    def _do(self, step: dict[str, Any]) -> bool:
        match step["do"]:
            case "set_limit" | "release_limit" | "configure":
                return self._execute(step)
            case "pause":
                self.sessions.paused, self.sessions.paused_by = True, step["source"]
                self.sessions.pause_reason = step["reason"]
            case "resume":
                self.sessions.paused = False
            case "restart":
                self.boot()
        return True
