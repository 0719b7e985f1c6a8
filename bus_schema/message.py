"""The base of every message, and the error for a payload that is not one."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bus_schema.docstrings import field_docstrings
from bus_schema.ids import Id
from bus_schema.units import TimestampMs, UptimeMs
from bus_schema.words import IdTokenType

if TYPE_CHECKING:  # pydantic imports these only when somebody asks for a JSON Schema.
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

SCHEMA_VERSION = "1.1"
"""Version of the contract. The major number stands in the topic root; the minor one grows with added fields.

1.1: commands are published below their sender's name; firmware of 1.0 does not hear them.
"""

MAX_MESSAGE_BYTES = 4096
"""Largest payload that anyone may publish (design, "The bus")."""

MAX_NESTING = 6
"""Most objects and lists that may stand within each other in a message, the outermost counted: two more than the
deepest of this version needs, for the fields of later ones. A charger counts before it parses (it has little memory).
"""


class ContractError(ValueError):
    """A payload or topic that breaks the contract.

    ``code`` is one word for programs (``malformed``, ``too_large``, ``wrong_type``, ``unknown_topic``);
    the text is for the reader and never repeats values of the payload, which may be secret.
    """

    def __init__(self, code: str, reason: str) -> None:
        """Keep ``code`` and make ``reason`` the error's text."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Struct(BaseModel):
    """A frozen, strictly typed piece of a message. Unknown fields are ignored, so that minor versions may add."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: "CoreSchema", handler: "GetJsonSchemaHandler"
    ) -> "JsonSchemaValue":
        """Describe each field in the words below it."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in field_docstrings(cls).items():
            properties.get(name, {}).setdefault("description", text)
        return schema


class Message(Struct):
    """What every message carries."""

    ts: TimestampMs | None
    """When it was sent, or null while the sender's clock is unset."""


class ChargerMessage(Message):
    """What every message written by a charger carries in addition."""

    uptime_ms: UptimeMs
    """Time since the charger booted."""
    boot_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    """Drawn at random at every boot: 12 hexadecimal digits."""


class IdToken(Struct):
    """Who is authorised: a kind and a value."""

    type: IdTokenType
    """Kind of identification; equal values of different kinds are different tokens."""
    value: Annotated[str, StringConstraints(max_length=64)]
    """The identification itself; empty only for ``no_authorization``."""


Text = Annotated[str, StringConstraints(max_length=400)]
"""Words for people, at most 400 characters."""

Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
"""An identifier that does not stand in a topic: 1 to 64 printable ASCII characters without spaces."""

Source = Id
"""Who limits, authorises or commands: an agent's name, ``technician``, or another id that the site has chosen."""

LOCAL_SOURCE = "local"
"""The source of what a charger has authorised by itself: by its local list, or an unknown card while not connected."""

Count = Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
"""How many; up to the largest integer that every JSON reader keeps exact."""

ListVersion = Annotated[int, Field(ge=0, le=2_147_483_647)]
"""Version of a charger's local list, chosen by whoever sends it; 0 while the list is empty (OCPP 1.6 listVersion)."""

CUT_SHORT_LIST = 2_147_483_647
"""Version of a list whose last change was cut short, by a power loss for one: it must be begun anew."""

ReservationId = Annotated[int, Field(ge=0, le=2_147_483_647)]
"""Number of a reservation (OCPP 1.6: 32-bit integer)."""

Sequence = Annotated[int, Field(ge=1, le=9_007_199_254_740_991)]
"""Number of an event within one boot of its charger, from 1, without gaps."""
