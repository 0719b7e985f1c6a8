"""The serial console: single keys at 115200 baud, and a status line every ten seconds.

The keys are those of the CAN charger's own console: 1 BMS, 2 charger, 3 output, 4 terminal, 5 all, 0 mute choose what
is shown every second; s starts, t stops. More: h help, i identity, l log.

``s`` and ``t`` are an ``authorize`` and a ``stop`` of source ``console``: what refuses those refuses them here.
"""

import sys

from .contract import STAGE_DONE, TOKEN_APP
from .text import amperes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .charger import Charger
    from .seam import Identity

SOURCE = "console"
STATUS_MS = 10_000
VIEW_MS = 1000
LOG_LINES = 20
MAX_KEYS = 16
"""Keys that are taken in one round: a paste must not keep the charger from its work."""
_VIEWS = "1234"
_HELP = (
    "1 BMS  2 charger  3 output  4 terminal  5 all  0 mute   s start  t stop   i identity  l log  h help",
    "The status line comes every ten seconds, also when muted by 0 everything else is.",
)


class Console:
    """A person at the charger's serial port. ``keys()`` returns what was typed, ``write(line)`` prints."""

    def __init__(
        self, charger: "Charger", identity: "Identity", keys: "Callable[[], str]", write: "Callable[[str], None]"
    ) -> None:
        self._charger = charger
        self._identity = identity
        self._keys = keys
        self._write = write
        self._views = ""
        self._status_at = self._view_at = charger.clock.ticks_ms()

    def poll(self) -> None:
        """Do what was typed, and print what is due."""
        now = self._charger.clock.ticks_ms()
        for key in self._keys()[:MAX_KEYS]:
            self._press(key)
        if self._views and now >= self._view_at:
            self._view_at = now + VIEW_MS
            for view in self._views:
                self._write(self._view(view))
        if now >= self._status_at:
            self._status_at = now + STATUS_MS
            self._write(self.status_line())

    def status_line(self) -> str:
        """Return V, I, SOC and Wh, and what the charger is doing. What is unknown is ``-``, never 0."""
        charger = self._charger
        reading, session = charger.measuring.reading, charger.sessions.session
        volts = None if reading is None else max(reading.voltage_v)
        current = None if reading is None else max(reading.current_a)
        energy_wh = charger.measuring.register.energy_wh
        parts = ["V=" + _number(volts), "I=" + _number(current), "SOC=" + _number(self._soc())]
        parts.append("Wh=%s" % ("-" if energy_wh is None else energy_wh))
        if session is not None:
            parts.append("session %d Wh" % charger.sessions.session_energy_wh())
        return "%s  %s" % ("  ".join(parts), charger.status)

    def _battery(self) -> "Any":
        return getattr(self._charger.hardware, "battery", None)

    def _soc(self) -> "float | None":
        battery = self._battery()
        return None if battery is None else battery.soc_percent(self._charger.clock.ticks_ms())

    # --- keys -----------------------------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        if key == "0":
            self._views = ""
            self._write("muted")
        elif key == "5":
            self._views = _VIEWS
        elif key in _VIEWS:
            self._views = self._views.replace(key, "") if key in self._views else self._views + key
        elif key == "s":
            token = {"type": TOKEN_APP, "value": SOURCE}
            self._order("authorize", {"id_token": token})
        elif key == "t":
            self._order("stop", {"reason": "at the serial console"})
        elif key == "i":
            self._write(self._who())
        elif key == "l":
            self._show_log()
        elif key in "h?":
            for line in _HELP:
                self._write(line)
        elif key > " ":
            self._write("no such key; h helps")

    def _order(self, op: str, fields: "dict[str, Any]") -> None:
        stage, code, reason = self._charger.order(SOURCE, op, fields)
        if stage == STAGE_DONE:
            self._write("%s: done%s" % (op, ": " + reason if reason else ""))
        else:
            self._write("%s: %s (%s): %s" % (op, stage, code, reason))

    def _who(self) -> str:
        charger, identity = self._charger, self._identity
        link = "connected" if charger.link.connected else "not connected"
        words = (identity.site, identity.charger, charger.hardware.ratings.hardware, charger.firmware, charger.boot_id)
        return "site %s  charger %s  board %s  firmware %s  boot %s  " % words + link

    def _show_log(self) -> None:
        log = getattr(self._charger.hardware, "log", None)
        if log is None:
            self._write("this charger keeps no log")
            return
        try:
            newest: list[str] = []
            for line in log.lines():
                newest.append(line)
                if len(newest) > LOG_LINES:
                    newest.pop(0)
        except OSError as error:
            self._write("the log cannot be read: %s" % error)
            return
        for line in newest:
            self._write(line)

    # --- views ----------------------------------------------------------------------------------------------------

    def _view(self, view: str) -> str:
        charger = self._charger
        snap, battery = charger.hardware.pilot.snapshot(), self._battery()
        if view == "1":
            return "BMS: SOC %s %%" % _number(self._soc())
        if view == "2":
            limit = charger.drive.limit
            faults = ", ".join([row[0] for row in charger.faults.rows()]) or "no fault"
            return "charger: %s, CP %s, %s, %s" % (charger.status, snap.cp_state, limit.reason, faults)
        if view == "3":
            words = (amperes(snap.offered_current_a), snap.duty_percent, "closed" if snap.contactor_closed else "open")
            return "output: offers %s, duty %.1f %%, contactor %s" % words
        if battery is None:
            return "terminal: this charger has no CAN terminal"
        reading = battery.reading(charger.clock.ticks_ms())
        if reading is None:
            return "terminal: - V, - A"
        return "terminal: %.1f V, %.1f A" % (reading.voltage_v[0], reading.current_a[0])


def _number(value: "float | None") -> str:
    return "-" if value is None else "%.1f" % value


def stdin_keys() -> "Callable[[], str]":
    """Return what reads keys from standard input (MicroPython: UART0 or USB) without ever waiting for one."""
    import select

    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)

    def keys() -> str:
        typed = ""
        while len(typed) < MAX_KEYS and poller.poll(0):
            key = sys.stdin.read(1)
            if not key:
                break
            typed += key
        return typed

    return keys
