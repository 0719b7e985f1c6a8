"""How the JSON of a meter that is asked over HTTP becomes numbers. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.grid_meter.measured import Measured, MeterUnreachable


@dataclass(frozen=True, slots=True)
class Field:
    """A value in a meter's answers."""

    path: str
    """Keys and list indices from the outside to the inside, with dots: ``Body.Data.PowerReal_P_Sum``."""
    document: int = 0
    """Which of the driver's answers it is in."""
    scale: float = 1.0
    """What the number is multiplied with to give A, V, W or Wh."""


@dataclass(frozen=True, slots=True)
class HttpDriver:
    """What to ask a kind of meter, and where the values are in its answers."""

    title: str
    """Maker and models."""
    source: str
    """Document that the names are from."""
    paths: tuple[str, ...]
    """What is fetched: paths and queries at the meter's address, in this order."""
    currents: tuple[Field, ...]
    """Of its phases, one or three. A."""
    voltages: tuple[Field, ...]
    """Between phase and neutral. V."""
    phase_powers: tuple[Field, ...]
    """Of its phases, positive into the site. W."""
    power: Field
    """Of all phases. W."""
    import_energy: Field | None = None
    """Wh."""
    export_energy: Field | None = None
    """Wh."""

    @property
    def phases(self) -> int:
        """How many phases it measures."""
        return len(self.currents)


def measured(driver: HttpDriver, documents: Sequence[Any]) -> Measured:
    """Return what stands in these answers, one for each of the driver's paths.

    Raises :class:`MeterUnreachable` if an answer is not built as the driver expects.
    """

    def number(field: Field | None) -> float | None:
        return None if field is None else find(field, documents[field.document])

    return Measured(
        currents_a=tuple(number(each) for each in driver.currents),
        voltages_v=tuple(number(each) for each in driver.voltages),
        powers_w=tuple(number(each) for each in driver.phase_powers),
        power_w=number(driver.power),
        import_wh=number(driver.import_energy),
        export_wh=number(driver.export_energy),
    )


def find(field: Field, document: Any) -> float | None:
    """Return the number at a path, None for null and for what is no finite number.

    Raises :class:`MeterUnreachable` if nothing stands there, or something that is no number.
    """
    value = document
    for key in field.path.split("."):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise MeterUnreachable(
                f"the answer has no {field.path!r} (at {key!r}): another device, or the wrong driver"
            )
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise MeterUnreachable(f"{field.path!r} is {value[:40]!r}, which is not a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MeterUnreachable(f"{field.path!r} is not a number")
    return value * field.scale if math.isfinite(value) else None
