"""Whoever guesses passwords or names is slowed down, shut out for a while, and named in an alarm.

Three budgets of wrong passwords, so that neither a stranger nor a station with an old password keeps others out: of one
station from one address, of one address, and of one station from all addresses. A station that has shown its password
from an address may always try again from there.
"""

import math
from dataclasses import dataclass
from http import HTTPStatus

from websockets.datastructures import Headers

from agents.csms.gate import Gate, Verdict, identity_of
from agents.runtime.agent import Clock
from agents.runtime.quota import Budget, Quotas

WRONG_S = 1.0
"""How long the answer to a wrong password takes. s."""

OF_ONE = Budget(burst=5, per_s=1 / 60)
"""Wrong passwords for a station from one address: five, then one a minute."""

OF_ADDRESS = Budget(burst=30, per_s=0.2)
"""Wrong passwords from an address, behind which a whole site may be: a few stations with old passwords fit."""

OF_STATION = Budget(burst=30, per_s=0.1)
"""Wrong passwords for a station from all addresses."""

STRANGERS = Budget(burst=30, per_s=0.2)
"""Names that nobody here has, from one address."""

_SHUT_OUT = "They are shut out for a while; stations that have shown their password before are not."


@dataclass(frozen=True, slots=True)
class Refused:
    """What is answered to a handshake that leads nowhere."""

    status: HTTPStatus
    words: str
    retry_after_s: int | None = None


class Admission:
    """Lets stations in through a gate."""

    def __init__(self, gate: Gate, quotas: Quotas, clock: Clock) -> None:
        """Count in ``quotas``."""
        self._gate = gate
        self._clock = clock
        self._of_one = quotas.add("wrong_passwords", OF_ONE, "wrong passwords", _SHUT_OUT)
        self._of_address = quotas.add("wrong_passwords_of_address", OF_ADDRESS, "wrong passwords", _SHUT_OUT)
        self._of_station = quotas.add("wrong_passwords_of_station", OF_STATION, "wrong passwords", _SHUT_OUT)
        self._strangers = quotas.add(
            "unknown_stations", STRANGERS, "connections of unknown stations", "They are answered nothing."
        )
        self._shown_from: dict[str, str] = {}
        """Address from which a station has shown its password last, by identity; only known stations have one."""

    async def refusal(self, address: str, path: str, headers: Headers) -> Refused | None:
        """Return why whoever asks from ``address`` may not connect, or None. Takes its time over a wrong password."""
        identity, now_s = identity_of(path) or "", self._clock.monotonic_s()
        wrong = [
            (self._of_one, f"{identity} from {address}"),
            (self._of_address, address),
            (self._of_station, identity),
        ]
        if self._gate.asks_password(identity):
            # Guesses of others, also of many, do not keep a station out that is where it was.
            budgets = wrong[:1] if self._shown_from.get(identity) == address else wrong
        else:
            budgets = [] if self._gate.knows(identity) else [(self._strangers, address)]
        for quota, sender in budgets:
            wait_s = quota.wait_s(sender, now_s)
            if wait_s > 0:
                quota.refuse(sender, now_s)
                words = f"too many attempts: try again in {math.ceil(wait_s)} s\n"
                return Refused(HTTPStatus.TOO_MANY_REQUESTS, words, math.ceil(wait_s))
        verdict = self._gate.judge(path, headers)
        if verdict is Verdict.WRONG_PASSWORD:
            for quota, sender in wrong:
                quota.take(sender, now_s)
            await self._clock.sleep(WRONG_S)
        elif not self._gate.knows(identity):
            self._strangers.take(address, now_s)
        elif verdict is Verdict.ADMITTED and self._gate.asks_password(identity):
            self._shown_from[identity] = address
        return None if verdict.value is None else Refused(*verdict.value)
