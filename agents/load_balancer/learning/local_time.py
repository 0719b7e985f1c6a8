"""Many moments at once in a zone's local time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from agents.load_balancer.allocation.network import Floats

DAY_S = 86_400.0


class LocalTime:
    """Local time as seconds since 1970 as a clock on the wall would count them."""

    def __init__(self, timezone: str) -> None:
        """Know the zone, and its offset at the hours asked for."""
        self._zone = ZoneInfo(timezone)
        self._offsets: dict[int, float] = {}

    def wall_s(self, utc_s: Floats) -> Floats:
        """Return what the wall's clock shows at these moments."""
        quarters, places = np.unique(np.floor(utc_s / 900.0).astype(np.int64), return_inverse=True)
        offsets = np.array([self._offset_s(int(quarter)) for quarter in quarters])
        return utc_s + offsets[places] if utc_s.size else utc_s

    def utc_s(self, wall_s: Floats) -> Floats:
        """Return the moments at which the wall's clock shows this: of two the first."""
        return np.array([_utc_s(value, self._zone) for value in wall_s])

    def weekday(self, wall_s: Floats) -> NDArray[np.intp]:
        """Return the day of the week, Monday 0."""
        return ((wall_s // DAY_S + 3) % 7).astype(np.intp)

    def _offset_s(self, quarter: int) -> float:
        # No zone changes its offset within a quarter of an hour.
        if quarter not in self._offsets:
            offset = datetime.fromtimestamp(quarter * 900, self._zone).utcoffset()
            self._offsets[quarter] = 0.0 if offset is None else offset.total_seconds()
        return self._offsets[quarter]


def _utc_s(wall_s: float, zone: ZoneInfo) -> float:
    naive = datetime.fromtimestamp(wall_s, UTC).replace(tzinfo=zone)
    return naive.timestamp()
