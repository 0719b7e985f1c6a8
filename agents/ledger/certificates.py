"""Alarms about chargers' own certificates: a charger says in its meta when its certificate ends.

Once it has ended the broker lets the charger in no more. Nothing here is kept: the broker has each charger's meta.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from agents.ledger.alarms import Standing, alarm_name
from agents.runtime.reporting.expiry import expiry_alarm


def ending_soon(ends_ms: Mapping[str, int], now_ms: int) -> Standing:
    """Return the alarms about certificates that end soon; ``ends_ms`` is the end of each charger's."""
    alarms = {}
    for charger, end_ms in ends_ms.items():
        alarm = expiry_alarm(charger, _moment(end_ms), _moment(now_ms))
        if alarm is not None:
            remedy = f"Run `chargebus renew-certificate {charger}` where the site's authority is."
            about = {"source": "ledger", "charger": charger, "remedy": remedy}
            alarms[alarm_name("certificate", charger)] = alarm.model_copy(update=about)
    return alarms


def _moment(utc_ms: int) -> datetime:
    return datetime.fromtimestamp(utc_ms / 1000, UTC)
