"""What a row of the table of topics is: a pattern, who may use it, and the message it carries."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from bus_schema.ids import check_id
from bus_schema.json_text import beyond_pydantic
from bus_schema.message import MAX_MESSAGE_BYTES, ContractError, Message

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ROOT = "ev/v1"
"""First levels of every topic; the number is the contract's major version."""

M = TypeVar("M", bound=Message)


class Role(StrEnum):
    """Who may write or read. Except ``charger`` and ``meter`` the name is also the broker user."""

    CHARGER = "charger"
    METER = "meter"
    LEDGER = "ledger"
    ACCESS = "access"
    OCPP_BRIDGE = "ocpp_bridge"
    CSMS = "csms"
    GRID_METER = "grid_meter"
    LOAD_BALANCER = "load_balancer"
    LOAD_BALANCER_SHADOW = "load_balancer_shadow"
    PAYMENT = "payment"
    INFLUX_LOGGER = "influx_logger"
    CONSOLE = "console"
    ANALYTICS = "analytics"
    TECHNICIAN = "technician"


AGENT_ROLES = tuple(r for r in Role if r not in (Role.CHARGER, Role.METER, Role.TECHNICIAN))
"""The agents of the design."""


@dataclass(frozen=True, eq=False)
class Topic(Generic[M]):
    """One row of the table: a kind of topic and the message it carries.

    ``pattern`` is what follows ``ev/v1/{site}/``, with ``{…}`` for the levels that are ids. ``writers`` and
    ``readers`` are what the ACL allows. ``measurement`` names the InfluxDB measurement that the message becomes, or
    is empty. ``clearable`` says that an empty retained payload ends the message (design: ``wish``, ``alarm``).
    """

    name: str
    pattern: str
    message: Any
    qos: int
    retained: bool
    writers: tuple[Role, ...]
    readers: tuple[Role, ...]
    description: str
    measurement: str = ""
    clearable: bool = False
    own_level: str = ""
    """Level that must equal the writer's own user name: ``charger``, ``meter``, ``agent`` or ``sender``; empty where
    none must.

    ``csms`` alone is exempt on ``charger``: it writes for the stations that it has brought onto the bus.
    """
    own_read_level: str = ""
    """Level that must equal the reader's own user name (``agent``, ``asker``); a charger reads only its own anyway."""

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """The pattern's levels."""
        return tuple(self.pattern.split("/"))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the levels that are ids, without the site."""
        return tuple(level[1:-1] for level in self.levels if level.startswith("{"))

    @cached_property
    def adapter(self) -> TypeAdapter[M]:
        """Pydantic's reader and writer of the message."""
        return TypeAdapter(self.message)

    def format(self, site: str, **ids: str) -> str:
        """Return the topic for these ids, for example ``CHARGER_STATE.format("garage", charger="c1")``.

        Raises :class:`bus_schema.ids.InvalidId` for a bad id and :class:`TypeError` for a missing or unknown one.
        """
        if set(ids) != set(self.parameters):
            raise TypeError(f"topic {self.name} needs {list(self.parameters)}, got {sorted(ids)}")
        parts = [check_id(level[1:-1], ids[level[1:-1]]) if level[0] == "{" else level for level in self.levels]
        return "/".join((ROOT, check_id("site", site), *parts))

    def filter(self, site: str | None = None, **ids: str) -> str:
        """Return a subscription filter: ``+`` for every id that is not given.

        Raises :class:`bus_schema.ids.InvalidId` for a bad id and :class:`TypeError` for an unknown one.
        """
        if not set(ids) <= set(self.parameters):
            raise TypeError(f"topic {self.name} has {list(self.parameters)}, got {sorted(ids)}")
        parts = [
            (check_id(level[1:-1], ids[level[1:-1]]) if level[1:-1] in ids else "+") if level[0] == "{" else level
            for level in self.levels
        ]
        return "/".join((ROOT, "+" if site is None else check_id("site", site), *parts))

    def encode(self, message: M) -> bytes:
        """Return the payload. Raises :class:`ContractError` (``too_large``) above 4 KiB."""
        payload = self.adapter.dump_json(message)
        if len(payload) > MAX_MESSAGE_BYTES:
            raise ContractError(
                "too_large", f"{self.name}: {len(payload)} bytes; a message has at most {MAX_MESSAGE_BYTES}"
            )
        return payload

    def decode(self, payload: bytes | bytearray | str) -> M:
        """Return the message in ``payload``.

        Raises :class:`ContractError`: ``too_large``, ``malformed`` (not JSON, or nested too deeply) or ``wrong_type``
        (a field is missing, of another type or out of range). The text names the field and what was expected,
        never the value.
        """
        data = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
        if len(data) > MAX_MESSAGE_BYTES:
            raise ContractError(
                "too_large", f"{self.name}: {len(data)} bytes; a message has at most {MAX_MESSAGE_BYTES}"
            )
        problem = beyond_pydantic(data)
        if problem is not None:
            raise ContractError("malformed", f"{self.name}: {problem}")
        try:
            return self.adapter.validate_json(data)
        except ValidationError as error:
            raise _contract_error(self.name, error) from None


_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""What the names of our fields look like; anything else in a location came from the payload and is not repeated."""


def _contract_error(name: str, error: ValidationError) -> ContractError:
    """Say what is wrong in words that name the field and the expectation, and never what the payload holds."""
    problems = error.errors(include_url=False, include_input=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        return ContractError("malformed", f"{name}: not JSON: {first['msg']}"[:400])
    where = ".".join(_shown(part) for part in first["loc"]) or "message"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ContractError("wrong_type", f"{name}: field {where}: {_expectation(first)}{more}"[:400])


def _shown(part: str | int) -> str:
    return str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "?"


def _expectation(problem: "ErrorDetails") -> str:
    """Pydantic's message, but for the one that repeats the tag which it was given."""
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        return f"the value of {context['discriminator']} is not one of {context['expected_tags']}"
    if problem["type"] == "union_tag_not_found":
        return f"{problem['ctx']['discriminator']} is missing: it says which message this is"
    return problem["msg"]
