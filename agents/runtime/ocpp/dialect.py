"""What differs between versions of OCPP: the subprotocol, the actions and their schemas, the words for errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agents.runtime.ocpp.errors import InvalidPayload, Violation
from agents.runtime.ocpp.frames import write_payload
from agents.runtime.ocpp.schema import Check, lenient
from agents.runtime.ocpp.shapes import Nested, Shape


@dataclass(frozen=True)
class Action:
    """One action: its two messages, how they are written and how they are checked."""

    name: str
    request_type: type[Any]
    response_type: type[Any]
    load_schema: Callable[[str, bool], Mapping[str, Any]]
    """Returns the schema of the request, or of the response if the second argument is true."""
    nested: Nested

    @cached_property
    def request(self) -> Shape[Any]:
        """How the request is written."""
        return Shape(self.request_type, self.nested)

    @cached_property
    def response(self) -> Shape[Any]:
        """How the response is written."""
        return Shape(self.response_type, self.nested)

    @cached_property
    def strict_request(self) -> Check:
        """What a request of ours must be."""
        return Check(self.load_schema(self.name, False))

    @cached_property
    def strict_response(self) -> Check:
        """What a response of ours must be."""
        return Check(self.load_schema(self.name, True))

    @cached_property
    def lenient_request(self) -> Check:
        """What a request of a peer must be."""
        return Check(lenient(self.load_schema(self.name, False)))

    @cached_property
    def lenient_response(self) -> Check:
        """What a response of a peer must be."""
        return Check(lenient(self.load_schema(self.name, True)))


@dataclass(frozen=True)
class Dialect:
    """One version of OCPP."""

    subprotocol: str
    """Name in the WebSocket handshake."""
    actions: Mapping[str, Action]
    """Every action of the protocol."""
    words: Mapping[Violation, str]
    """Error codes."""

    @cached_property
    def by_request(self) -> Mapping[type[Any], Action]:
        """The actions by the class of their request."""
        return {action.request_type: action for action in self.actions.values()}

    def payload(self, request: Any) -> dict[str, Any]:
        """Return a request as it stands on the wire, checked. Raises :class:`InvalidPayload`."""
        action = self.by_request[type(request)]
        payload = action.request.to_payload(request)
        problem = action.strict_request.problem(payload)
        if problem is not None:
            raise InvalidPayload(action.name, problem[1])
        return payload

    def encode(self, request: Any) -> str:
        """Return the payload of a request as JSON, checked. Raises :class:`InvalidPayload`."""
        return write_payload(self.payload(request))
