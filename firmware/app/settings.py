"""Settings of the charger, kept on flash in two copies with a checksum.

Settings carry ``max_current_a`` and ``required_sources``: a charger that forgot them might offer more than its cable's
fuse. So when there are copies but none can be read, :attr:`Settings.damaged` is set and the charger does not charge
until it has been configured again.
"""

import json

from .contract import SETTINGS
from .records import checked, record
from .validation import Refused, check_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Storage

FILES = ("settings", "settings-2")


class Settings:
    """Everything about its behaviour that a site may choose; see ``ChargerSettings`` in the contract."""

    def __init__(self, storage: "Storage") -> None:
        self._storage = storage
        self.damaged = False
        self.max_current_a = 0.0
        self.fallback_current_a = 0.0
        self.required_sources: tuple[str, ...] = ()
        self.connection_timeout_s = 0
        self.sample_interval_s = 0
        self.telemetry_interval_s = 0
        self.idle_end_s = 0
        self.stop_by_same_card = False
        self.start_delay_max_s = 0
        self.nominal_voltage_v = 0.0
        self.wake_sleepy_cars = False
        self.resume_after_power_loss = False
        self.residual_current_retries = 0
        self.local_pre_authorize = False
        self.local_authorize_offline = False
        self.allow_offline_tx_for_unknown_id = False
        for name, row in SETTINGS.items():
            setattr(self, name, row[3])

    def load(self) -> None:
        """Read the first good copy and bring the other up to date. Raises :class:`OSError` on an unreadable flash."""
        first, second = [self._storage.read(name) for name in FILES]
        for data in (first, second):
            values = None if data is None else _read(data)
            if data is not None and values is not None:
                self._set(values)
                if first != second:
                    self._repair(data)
                return
        self.damaged = first is not None or second is not None

    def change(self, patch: "dict[str, Any]") -> None:
        """Take and keep validated values. Raises :class:`OSError`, and nothing has changed, when flash refuses."""
        values = {name: getattr(self, name) for name in SETTINGS}
        values.update(patch)
        data = record(json.dumps(values))
        # The copy that is read first decides: once it is written the change will be there after the next boot, so a
        # refusal of the other is no refusal of the change; before it is written nothing may be left of the change.
        self._storage.write(FILES[0], data)
        self._repair(data, FILES[1:])
        self._set(values)
        self.damaged = False

    def _repair(self, data: bytes, names: "tuple[str, ...]" = FILES) -> None:
        """Write copies, as far as the flash takes them; the next boot tries again."""
        try:
            for name in names:
                self._storage.write(name, data)
        except OSError:
            pass

    def _set(self, values: "dict[str, Any]") -> None:
        for name in values:
            setattr(self, name, values[name])


def _read(data: bytes) -> "dict[str, Any] | None":
    """Return the settings of a copy, or None if it is damaged. Unknown ones, of a newer firmware, are left out."""
    body = checked(data)
    if body is None:
        return None
    kept = json.loads(body)
    values = {}
    try:
        for name, row in SETTINGS.items():
            if name in kept:
                values[name] = check_value(name, kept[name], row[0], row[1], row[2])
    except Refused:
        return None
    return values
