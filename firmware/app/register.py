"""The lifetime register: what the meter counts, guarded so that it never goes back (invariant 11).

Meters are replaced, and cheap ones misread. A reading that is lower than the last, or higher than could have flowed
since, is not believed until it has stood for :data:`BELIEVE_AFTER` readings in a row; then an offset is chosen so that
the register goes on from where it was, and kept on flash. Until then the register stays at its last good value.
"""

from .records import keep, kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .seam import Storage

FILE = "register"
BELIEVE_AFTER = 5
"""Readings in a row before a jump counts as another meter."""

_SLACK_WH = 100


class Register:
    """Turns the meter's register into the charger's. It must be loaded before it takes anything."""

    def __init__(self, storage: "Storage", max_power_w: float) -> None:
        self._storage = storage
        self._max_wh_per_ms = 1.5 * max_power_w / 3_600_000
        self._offset: int | None = None
        self._doubts = 0
        self._doubted = 0
        self._at = 0
        self.energy_wh: int | None = None
        """Lifetime register, or None until the meter has been read in this boot."""
        self.floor_wh = 0
        """Highest register that this charger is known to have shown before this boot."""
        self.jump: str | None = None
        """Set when another meter was found: what happened, in words, until somebody takes it."""

    def load(self, floor_wh: int) -> None:
        """Read the offset; ``floor_wh`` is the highest register in the journal.

        Raises :class:`OSError` when the flash cannot be read; the register then stays unknown.
        """
        self.floor_wh = floor_wh
        # A lost offset shows itself as a reading below the floor, and is found again.
        self._offset, floor = kept(self._storage, FILE, (0, 0))
        self.floor_wh = max(floor_wh, floor)

    def take(self, meter_wh: int, now: int) -> None:
        """Take a reading of the meter."""
        if self._offset is None:
            return
        energy_wh = meter_wh + self._offset
        last = self.energy_wh
        if last is None:
            if energy_wh >= self.floor_wh or self._doubt(meter_wh, self.floor_wh):
                self._begin(meter_wh + self._offset, now)
            return
        # The difference is a whole number: a float of ESP32 has 24 bits, and a register soon has more.
        if 0 <= energy_wh - last <= _SLACK_WH + (now - self._at) * self._max_wh_per_ms:
            self.energy_wh = energy_wh
            self._at = now
            self._doubts = 0
        elif self._doubt(meter_wh, last):
            self.energy_wh = last
            self._at = now
            self._doubts = 0

    def _begin(self, energy_wh: int, now: int) -> None:
        self.energy_wh = energy_wh
        self._at = now
        self._doubts = 0
        if energy_wh > self.floor_wh:
            # From here on the journal remembers it with every session; until then this file does.
            try:
                keep(self._storage, FILE, (self._offset, energy_wh))
            except OSError:
                # Only a meter replaced before the next session would then go unnoticed.
                return
            self.floor_wh = energy_wh

    def _doubt(self, meter_wh: int, expected_wh: int) -> bool:
        """Count a reading that cannot be; return whether it is now believed to be another meter's."""
        same = self._doubts and 0 <= meter_wh - self._doubted <= _SLACK_WH
        self._doubts = self._doubts + 1 if same else 1
        self._doubted = meter_wh
        if self._doubts < BELIEVE_AFTER:
            return False
        offset = expected_wh - meter_wh
        try:
            keep(self._storage, FILE, (offset, expected_wh))
        except OSError:
            return False
        self._offset = offset
        self.jump = "meter reads %d Wh, register stands at %d Wh: going on from there" % (meter_wh, expected_wh)
        return True
