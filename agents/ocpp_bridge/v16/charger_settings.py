"""Configuration keys that the charger itself must know: what holds while the bus is dead is decided there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory
from agents.ocpp_bridge.memory import OWN
from bus_schema.command import Configure
from bus_schema.words import ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

RETRY_MS = 30_000
"""When a charger that has not answered is told again. ms."""

SETTING_OF: Mapping[str, str] = {
    "AllowOfflineTxForUnknownId": "allow_offline_tx_for_unknown_id",
    "ConnectionTimeOut": "connection_timeout_s",
    "LocalAuthorizeOffline": "local_authorize_offline",
}
"""The charger's setting that a key is. LocalPreAuthorize is none: while there is a bus the bridge decides."""

_UNTOLD = "untold_keys"


class ChargerSettings:
    """Tells the charger what a backend has changed; one that is away hears of it when it is back."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``; :meth:`load` recalls what it has not been told."""
        self._charge_point = charge_point
        self._untold: frozenset[str] = frozenset()
        self._not_before_ms = 0
        self._telling = False

    def load(self, db: Database) -> None:
        """Recall what the charger does not know yet."""
        kept = memory.settings(db, self._charge_point.name, OWN).get(_UNTOLD, "")
        self._untold = frozenset(kept.split())

    def note(self, db: Database, key: str) -> None:
        """Note, with the change itself, that the charger must hear of it."""
        if key in SETTING_OF:
            self._keep(db, self._untold | {key})

    def changed(self, key: str) -> None:
        """Take note that a change of ``key`` is committed; the next :meth:`tick` tells of it."""
        if key in SETTING_OF:
            self._untold |= {key}
            self._not_before_ms = 0

    def tick(self) -> None:
        """Tell what is due."""
        charge_point = self._charge_point
        due = charge_point.clock.now_ms() >= self._not_before_ms
        if self._untold and due and charge_point.present and not self._telling:
            self._telling = True
            charge_point.tasks.start(self._tell(), "configure")

    async def _tell(self) -> None:
        charge_point, names = self._charge_point, self._untold
        self._not_before_ms = charge_point.clock.now_ms() + RETRY_MS
        values = {name: self._value(name) for name in names}
        try:
            settings = {SETTING_OF[name]: value for name, value in values.items()}
            reply = await charge_point.command(Configure, settings=settings)
            if reply is None:
                return
            if reply.stage is not ReplyStage.DONE:
                charge_point.log.warning("charger_refuses_setting", keys=sorted(names), reason=reply.reason)
            # What has changed meanwhile must be told again.
            told = {name for name, value in values.items() if value == self._value(name)}
            untold = self._untold - told
            await charge_point.store.run(lambda db: self._keep(db, untold))
            self._untold -= told
        finally:
            self._telling = False

    def _value(self, key: str) -> bool | int:
        configuration = self._charge_point.configuration
        return configuration.number(key) if key == "ConnectionTimeOut" else configuration.flag(key)

    def _keep(self, db: Database, untold: frozenset[str]) -> None:
        memory.set_setting(db, self._charge_point.name, OWN, _UNTOLD, " ".join(sorted(untold)) or None)
