"""The same points in both kinds of history."""

import math
from collections.abc import Iterator
from pathlib import Path

from agents.influx_logger.answers import BlockingWrite, Fate
from agents.influx_logger.history_file import HistoryFile, connect
from agents.influx_logger.thinning import tidy
from agents.runtime.history.tables import HISTORY_FILE

DAY_MS = 86_400_000
BEGIN_MS = 20_000 * DAY_MS + 3_600_000
"""An hour after the beginning of a day."""

HOURS = 2


def lines() -> Iterator[str]:
    """Two hours of three chargers, one of which is silent in the middle; states, events and a meter."""
    for second in range(0, HOURS * 3600, 5):
        for number in (1, 2, 10):
            if number == 2 and 1800 < second < 5400:
                continue
            at = BEGIN_MS + second * 1000 + number * 7
            fields = f"power_w={7000 + 100 * math.sin(second):.3f},energy_wh={100_000 + second}i,uptime_ms={second}i"
            if number == 1 or second % 15:
                fields += f",temperature_c={20 + second / 600:.2f}"
            yield f"telemetry,site=garage,charger=c{number} {fields} {at}000000"
            if second % 10 == 0:
                word = "Charging" if second % 3600 < 1800 else "SuspendedEV"
                closed = "true" if second % 20 else "false"
                yield (
                    f'state,site=garage,charger=c{number} status="{word}",journal_pending={second % 7}i,'
                    f"contactor_closed={closed},energy_wh={100_000 + second}i {at}000000"
                )
            if second % 600 == 0:
                kind = "session_started" if second % 1200 else "fault_raised"
                text = f'\\"{second}\\" s, ä \\\\ b=c'
                yield f'event,site=garage,charger=c{number},type={kind} seq={second + 1}i,detail="{text}" {at}000123'
    yield f"grid,site=garage,meter=main power_w=-3.5 {BEGIN_MS}000000"


def write_all(write: BlockingWrite) -> None:
    texts = list(lines())
    for first in range(0, len(texts), 5000):
        answer = write("\n".join(texts[first : first + 5000]))
        assert answer.fate is Fate.TAKEN, answer


def history_file(folder: Path, thinned_by_days: int = 0) -> Path:
    """Make a file with the points, as it is so many days later."""
    path = folder / HISTORY_FILE
    file = HistoryFile(path)
    write_all(file.write)
    file.close()
    if thinned_by_days:
        db = connect(path)
        tidy(db, BEGIN_MS + thinned_by_days * DAY_MS, 365, 10**12, exported=True)
        db.close()
    return path
