"""OCPP-J: frames, calls and answers on an abstract connection, for either role and any version.

Nothing outside a dialect's folder (:mod:`agents.runtime.ocpp.v16`) knows a version. ::

    dispatcher = Dispatcher(connection, V16, handlers, clock=clock, message_ids=message_ids(random), log=log)
    serving = asyncio.create_task(dispatcher.run())
    answer = await dispatcher.call(call.BootNotification(charge_point_vendor="chargebus", charge_point_model="c1"))
"""

from agents.runtime.ocpp.connection import Connection, ConnectionLost
from agents.runtime.ocpp.dialect import Action, Dialect
from agents.runtime.ocpp.dispatcher import Dispatcher, Handler
from agents.runtime.ocpp.errors import (
    Answered,
    CallRefused,
    CallTimeout,
    InvalidPayload,
    NoAnswer,
    Refusal,
    Violation,
)
from agents.runtime.ocpp.frames import MAX_FRAME_BYTES, message_ids
from agents.runtime.ocpp.times import format_time, parse_time
from agents.runtime.ocpp.traffic import Traffic

__all__ = [
    "MAX_FRAME_BYTES",
    "Action",
    "Answered",
    "CallRefused",
    "CallTimeout",
    "Connection",
    "ConnectionLost",
    "Dialect",
    "Dispatcher",
    "Handler",
    "InvalidPayload",
    "NoAnswer",
    "Refusal",
    "Traffic",
    "Violation",
    "format_time",
    "message_ids",
    "parse_time",
]
