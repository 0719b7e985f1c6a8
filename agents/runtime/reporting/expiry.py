"""The alarm that a process's own certificate ends soon.

Once it has ended the broker lets the process in no more, and nobody is left to say so: hence an alarm on the bus from
:data:`~agents.runtime.mqtt.certificate.EXPIRES_SOON` before. The file is read again each day, so that a renewed
certificate ends the alarm; the next connection uses it.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Bus, BusUnavailable, Clock
from agents.runtime.mqtt.certificate import EXPIRES_SOON, UnusableCertificate, read_validity
from bus_schema.site_messages import Alarm
from bus_schema.topics import ALARM
from bus_schema.words import Severity

CHECK_EVERY_S = 86_400.0
"""A day."""

RETRY_S = 60.0
"""How long to wait while the bus is away."""

CRITICAL_BEFORE = timedelta(days=7)
"""From so long before its end the alarm is critical."""


def expiry_alarm(identity: str, ends: datetime, now: datetime) -> Alarm | None:
    """Return the alarm about a certificate of ``identity`` that ends at ``ends``, None while that is far away."""
    left = ends - now
    if left > EXPIRES_SOON:
        return None
    when = f"{ends:%Y-%m-%d %H:%M} UTC"
    return Alarm(
        ts=round(now.timestamp() * 1000),
        severity=Severity.CRITICAL if left <= CRITICAL_BEFORE else Severity.WARNING,
        source=identity,
        since_ts=round((ends - EXPIRES_SOON).timestamp() * 1000),
        text=(
            f"The certificate of {identity} ends on {when}, in {max(0, left.days)} days: from then on the broker does "
            "not let it in."
        ),
        remedy=f"Run `chargebus pki renew {identity}` where the site's authority is, and bring the files here.",
    )


class ExpiryWatch:
    """Looks at a certificate now and each day, and keeps the alarm about it."""

    def __init__(self, identity: str, certificate: Path, bus: Bus, clock: Clock, log: FilteringBoundLogger) -> None:
        """Watch the file ``certificate`` of the process ``identity``."""
        self._identity = identity
        self._certificate = certificate
        self._bus = bus
        self._clock = clock
        self._log = log
        self._stands: bool | None = None
        """Whether the alarm stands; None while that is unknown, for it may be of an earlier life."""

    async def run(self) -> None:
        """Check for ever. What the bus does not take is tried again."""
        while True:
            try:
                await self.check()
            except BusUnavailable:
                await self._clock.sleep(RETRY_S)
            else:
                await self._clock.sleep(CHECK_EVERY_S)

    async def check(self) -> None:
        """Raise the alarm, or end one of an earlier life too. Raises :class:`BusUnavailable`."""
        try:
            ends = read_validity(self._certificate).ends
        except UnusableCertificate as error:
            self._log.warning("certificate_unreadable", reason=str(error))
            return
        alarm = expiry_alarm(self._identity, ends, datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC))
        name = f"certificate-{self._identity}"
        if alarm is not None:
            self._log.warning("certificate_ends_soon", reason=alarm.text)
            await self._bus.publish(ALARM, alarm, alarm=name)
        elif self._stands is not False:
            await self._bus.clear(ALARM, alarm=name)
        self._stands = alarm is not None
