"""The alarms of the logger: what an operator must do before something is lost, and what has been lost. Pure."""

from collections.abc import Mapping

from agents.influx_logger.spool import DROPPED, REFUSED, Filling, Loss
from bus_schema.site_messages import Alarm
from bus_schema.words import Severity

SPOOL, LOST = "influx-spool", "influx-lost"
"""Names of the alarms."""

FILLS_FROM = 0.25
"""Share of the spool's size or age from which on an alarm stands: days before anything is dropped."""

CRITICAL_FROM = 0.75
"""Share from which on it is critical."""

HOUR_MS = 3_600_000

LOST_STANDS_MS = 24 * HOUR_MS
"""How long the alarm about lost points stands after the newest loss, unless somebody acknowledges it before."""


def spool_alarm(
    waits: Filling, max_bytes: int, max_age_ms: int, now_ms: int, since_ms: int, trouble: str | None
) -> Alarm | None:
    """Return the alarm about a spool that fills, None while it does not.

    ``since_ms`` is when it began to stand, ``trouble`` why nothing leaves the spool.
    """
    age_ms = 0 if waits.oldest_ms is None else max(0, now_ms - waits.oldest_ms)
    share = max(waits.size_bytes / max_bytes, age_ms / max_age_ms)
    if share < FILLS_FROM:
        return None
    why = f" because {trouble}" if trouble else ""
    return Alarm(
        ts=now_ms,
        severity=Severity.CRITICAL if share >= CRITICAL_FROM else Severity.WARNING,
        source="influx_logger",
        since_ts=since_ms,
        text=f"{waits.lines} points ({waits.size_bytes / 1e6:.0f} MB, the oldest {age_ms / HOUR_MS:.1f} h old) wait "
        f"for the database{why}: the spool is {share:.0%} full."[:400],
        remedy="Bring the database back; what waits is written by itself then. When the spool is full the oldest "
        "telemetry is dropped first. 'chargebus spool' shows what waits and why; spool_max_mb and spool_max_age_days "
        "in site.toml say how much may wait.",
    )


def lost_alarm(lost: Mapping[str, Loss], now_ms: int, since_ms: int) -> Alarm | None:
    """Return the alarm about points that are in no database, None while there are none.

    It stands until somebody acknowledges the loss, or for :data:`LOST_STANDS_MS` after the newest of them.
    """
    recent = {name: loss.lines for name, loss in lost.items() if now_ms - loss.last_ms < LOST_STANDS_MS}
    dropped, refused = recent.get(DROPPED, 0), recent.get(REFUSED, 0)
    if not dropped and not refused:
        return None
    parts = [f"{dropped} points were dropped because the spool was full or they were too old"] if dropped else []
    parts += [f"{refused} points were refused by the database"] if refused else []
    return Alarm(
        ts=now_ms,
        severity=Severity.WARNING,
        source="influx_logger",
        since_ts=since_ms,
        text=f"{' and '.join(parts)}."[:400],
        remedy="'chargebus spool' shows what was refused, with the database's reason; --retry writes it again, --drop "
        "gives it up, --acknowledge ends this alarm, as a day without new losses does. The ledger has all sessions "
        "whatever is missing here.",
    )
