"""The lifetime register: what the meter counts, guarded so that it never goes back (invariant 11).

Meters are replaced, and cheap ones misread. A reading that is lower than the last, or higher than could have flowed
since, is not believed until it has stood for :data:`BELIEVE_AFTER` readings in a row; then an offset is chosen so that
the register goes on from where it was, and kept on flash. Until then the register stays at its last good value.

A register may dip as well, to 0 for some minutes, and come back: then what has flowed meanwhile stands in it. So the
offset that was left is kept beside the one that holds, and readings that go on from there bring it back.
"""

from .records import keep, kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .seam import Storage

FILE = "register"
BELIEVE_AFTER = 5
"""Readings in a row before a jump counts as another meter."""

_SLACK_WH = 100

AWAY_MS = 24 * 3_600_000
"""So long may a register have been away before this boot: nobody knows when it was that it dipped."""


class Register:
    """Turns the meter's register into the charger's. It must be loaded before it takes anything."""

    def __init__(self, storage: "Storage", max_power_w: float) -> None:
        self._storage = storage
        self._max_wh_per_ms = 1.5 * max_power_w / 3_600_000
        self._offset: int | None = None
        self._left: tuple[int, int] | None = None
        """Offset of the series that was left last, and the register at that moment."""
        self._left_at: int | None = None
        self._doubts = 0
        self._doubted = 0
        self._at = 0
        self.energy_wh: int | None = None
        """Lifetime register, or None until the meter has been read in this boot."""
        self.floor_wh = 0
        """Highest register that this charger is known to have shown before this boot."""
        self.jump: str | None = None
        """Set when the meter was found to count from elsewhere: what happened, in words, until somebody takes it."""
        self.series = 0
        """Grows with each such change."""
        self.came_back = False
        """Whether the last of them was the return of a register that had dipped."""

    def load(self, floor_wh: int) -> None:
        """Read the offset; ``floor_wh`` is the highest register in the journal.

        Raises :class:`OSError` when the flash cannot be read; the register then stays unknown.
        """
        self.floor_wh = floor_wh
        # A lost offset shows itself as a reading below the floor, and is found again.
        values = kept(self._storage, FILE, (0, 0))
        self._offset, floor = values[:2]
        self._left = tuple(values[2:4]) if len(values) == 4 else None
        self.floor_wh = max(floor_wh, floor)

    def take(self, meter_wh: int, now: int) -> None:
        """Take a reading of the meter."""
        if self._offset is None:
            return
        energy_wh = meter_wh + self._offset
        last = self.energy_wh
        if last is None:
            # On a flash that knows of none before, any register is right.
            if (
                not self.floor_wh
                or self._flowed(energy_wh - self.floor_wh, now - AWAY_MS, now)
                or self._doubt(meter_wh, self.floor_wh, now)
            ):
                self._begin(meter_wh + self._offset, now)
            return
        if self._flowed(energy_wh - last, self._at, now) or self._doubt(meter_wh, last, now):
            self.energy_wh = meter_wh + self._offset
            self._at = now
            self._doubts = 0

    def _flowed(self, energy_wh: int, since: int, now: int) -> bool:
        """Whether so much may have flowed. A whole number: a float of ESP32 has 24 bits, a register soon has more."""
        return 0 <= energy_wh <= _SLACK_WH + (now - since) * self._max_wh_per_ms

    def _begin(self, energy_wh: int, now: int) -> None:
        self.energy_wh = energy_wh
        self._at = now
        self._doubts = 0
        if energy_wh > self.floor_wh:
            # From here on the journal remembers it with every session; until then this file does.
            try:
                self._keep(self._offset or 0, energy_wh, self._left)
            except OSError:
                # Only a meter replaced before the next session would then go unnoticed.
                return
            self.floor_wh = energy_wh

    def _doubt(self, meter_wh: int, expected_wh: int, now: int) -> bool:
        """Count a reading that cannot be; return whether it is now believed to be of another series."""
        same = self._doubts and 0 <= meter_wh - self._doubted <= _SLACK_WH
        self._doubts = self._doubts + 1 if same else 1
        self._doubted = meter_wh
        if self._doubts < BELIEVE_AFTER:
            return False
        back = self._left_offset(meter_wh, expected_wh, now)
        if back is not None:
            if not self._change(back, meter_wh + back, None, now):
                return False
            self.came_back = True
            self.jump = "meter reads %d Wh, as before it dipped: register goes on at %d Wh" % (
                meter_wh,
                meter_wh + back,
            )
            return True
        left = self._left
        if left is None or left[1] != expected_wh:
            # A series in which nothing was counted was a dip: what stood before it may come back even so.
            left = (self._offset or 0, expected_wh)
        if not self._change(expected_wh - meter_wh, expected_wh, left, now):
            return False
        self.came_back = False
        self.jump = "meter reads %d Wh, register stands at %d Wh: going on from there" % (meter_wh, expected_wh)
        return True

    def _left_offset(self, meter_wh: int, expected_wh: int, now: int) -> int | None:
        """Return the offset of the series that was left last, if a reading goes on where that was left."""
        if self._left is None:
            return None
        offset, left_wh = self._left
        energy_wh = meter_wh + offset
        since = now - AWAY_MS if self._left_at is None else self._left_at
        # Less than was counted meanwhile cannot have flowed.
        return offset if energy_wh >= expected_wh and self._flowed(energy_wh - left_wh, since, now) else None

    def _change(self, offset: int, energy_wh: int, left: "tuple[int, int] | None", now: int) -> bool:
        """Let another offset hold; False if the flash refuses it: then the readings stay in doubt."""
        try:
            self._keep(offset, energy_wh, left)
        except OSError:
            return False
        if left != self._left:
            self._left_at = now
        self._offset, self._left = offset, left
        self.series += 1
        return True

    def _keep(self, offset: int, floor_wh: int, left: "tuple[int, int] | None") -> None:
        keep(self._storage, FILE, (offset, floor_wh) if left is None else (offset, floor_wh, left[0], left[1]))
