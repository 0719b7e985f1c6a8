"""Messages of the charger, written in JSON.

State and telemetry are written once a second for every charger of a site, so their text is kept as a template as long
as nothing but numbers changes.
"""

import json

from .contract import ROOT, SCHEMA_VERSION
from .text import clip, decimal, nullable, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Clock, Identity, Ratings, Reading, Snapshot
    from .settings import Settings

    Event = dict[str, Any]

_PHASES = ("l1", "l2", "l3")
_HEAD = '{"ts":%s,"uptime_ms":%d,"boot_id":"%s",'


class Messages:
    """Writes messages under this charger's identity."""

    def __init__(self, identity: "Identity", clock: "Clock", boot_id: str, booted: int, ratings: "Ratings") -> None:
        self._prefix = "%s/%s/charger/%s/" % (ROOT, identity.site, identity.charger)
        self._clock = clock
        self._booted = booted
        self._ratings = ratings
        self.boot_id = boot_id
        self._telemetry_now = _telemetry_template(boot_id, ratings.phases)
        self._pilot: Snapshot | None = None
        self._pilot_session: str | None = None
        self._pilot_text = ""

    def topic(self, row: tuple[str, int, bool]) -> str:
        """Return the full topic of a row of the contract."""
        return self._prefix + row[0]

    def uptime(self, now: int) -> int:
        """Milliseconds since boot."""
        return now - self._booted

    def _head(self, now: int) -> str:
        return _HEAD % (nullable(self._clock.utc_ms()), now - self._booted, self.boot_id)

    def event(self, kind: str, seq: int, now: int, fields: "Event") -> "Event":
        """Return an event as it is journalled."""
        event: Event = {"boot_id": self.boot_id, "seq": seq, "type": kind}
        event["ts"] = self._clock.utc_ms()
        event["uptime_ms"] = now - self._booted
        event.update(fields)
        return event

    def online(self, now: int, online: bool) -> str:
        """Whether the charger is connected; also the text of its will."""
        return self._head(now) + '"online":%s}' % ("true" if online else "false")

    def meta(self, now: int, firmware: str, settings: "Settings", list_version: int, ends_ts: int | None) -> str:
        """What kind of charger this is; ``ends_ts`` is the end of its certificate."""
        ratings = self._ratings
        body = {
            "hardware": clip(ratings.hardware),
            "firmware": firmware,
            "schema_version": SCHEMA_VERSION,
            "phases": ratings.phases,
            "phase_rotation": list(ratings.phase_rotation),
            "rated_current_a": ratings.rated_current_a,
            "fallback_current_a": settings.fallback_current_a,
            "required_sources": list(settings.required_sources),
            "capabilities": list(ratings.capabilities),
            "local_list_version": list_version,
            "nominal_voltage_v": settings.nominal_voltage_v,
            "certificate_ends_ts": ends_ts,
        }
        return self._head(now) + json.dumps(body)[1:]

    def reply(self, now: int, command: tuple[str | None, str | None], stage: str, code: str, reason: str) -> str:
        """The answer to a command, ``(id, op)``."""
        text = [json.dumps(part) for part in (command[0], command[1], stage, code, clip(reason))]
        return self._head(now) + '"id":%s,"op":%s,"stage":%s,"code":%s,"reason":%s}' % tuple(text)

    def telemetry(self, now: int, snap: "Snapshot", reading: "Reading | None", numbers: "tuple[Any, ...]") -> str:
        """Measured values; ``numbers`` is ``(register, temperature, session_id)``."""
        energy_wh, temperature, session_id = numbers
        if snap is not self._pilot or session_id is not self._pilot_session:
            self._pilot, self._pilot_session = snap, session_id
            self._pilot_text = _pilot_text(snap, session_id)
        template = self._telemetry_now
        ts = self._clock.utc_ms()
        if ts is None or temperature is None or energy_wh is None or reading is None:
            return self._sparse(now, reading, numbers)
        voltage, current = reading.voltage_v, reading.current_a
        head = (ts, now - self._booted)
        tail = (reading.power_w, energy_wh, temperature, self._pilot_text)
        return template % (head + voltage + current + tail)

    def _sparse(self, now: int, reading: "Reading | None", numbers: "tuple[Any, ...]") -> str:
        parts = [self._head(now)]
        if reading is not None:
            for index in range(self._ratings.phases):
                phase = _PHASES[index]
                parts.append('"voltage_%s_v":%s,' % (phase, decimal(reading.voltage_v[index])))
                parts.append('"current_%s_a":%s,' % (phase, decimal(reading.current_a[index], 2)))
            parts.append('"power_w":%s,' % decimal(reading.power_w))
        parts.append('"energy_wh":%s,"temperature_c":%s,' % (nullable(numbers[0]), decimal(numbers[1])))
        parts.append(self._pilot_text + "}")
        return "".join(parts)


def _telemetry_template(boot_id: str, phases: int) -> str:
    voltages = "".join('"voltage_%s_v":%%.1f,' % phase for phase in _PHASES[:phases])
    currents = "".join('"current_%s_a":%%.2f,' % phase for phase in _PHASES[:phases])
    head = '{"ts":%%d,"uptime_ms":%%d,"boot_id":"%s",' % boot_id
    return head + voltages + currents + '"power_w":%.1f,"energy_wh":%d,"temperature_c":%.1f,%s}'


def _pilot_text(snap: "Snapshot", session_id: str | None) -> str:
    high, low, duty = decimal(snap.cp_high_v, 2), decimal(snap.cp_low_v, 2), decimal(snap.duty_percent, 2)
    text = '"cp_high_v":%s,"cp_low_v":%s,"duty_percent":%s,' % (high, low, duty)
    session = "null" if session_id is None else quote(session_id)
    return text + '"offered_current_a":%s,"session_id":%s' % (decimal(snap.offered_current_a, 2), session)
