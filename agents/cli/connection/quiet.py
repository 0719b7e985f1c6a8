"""When retained messages have all come: no broker says which is the last one."""

import asyncio
from collections.abc import AsyncIterator

import aiomqtt

QUIET_S = 0.3
"""Retained messages have all come when none has for so long, and the broker has answered since.

Without the answer, a computer that stood still for as long would seem to have received everything.
"""

_NEVER_SUBSCRIBED = "chargebus/quiet"


async def answer_of_broker(client: aiomqtt.Client) -> None:
    """Return once the broker has answered, and with it whatever it had sent before has come.

    Raises :class:`aiomqtt.MqttError` if it does not answer within the client's time, or the connection is lost.
    """
    # What is asked for changes nothing, and every user may ask for it.
    await client.unsubscribe(_NEVER_SUBSCRIBED)


async def until_quiet(client: aiomqtt.Client, *, retained_only: bool = False) -> AsyncIterator[aiomqtt.Message]:
    """Yield what has come until the connection is quiet; with ``retained_only``, live messages are left out.

    Raises :class:`aiomqtt.MqttError` if the connection is lost.
    """
    while True:
        await asyncio.sleep(QUIET_S)
        messages = await _received(client, retained_only)
        if not messages:
            await answer_of_broker(client)
            messages = await _received(client, retained_only)
            if not messages:
                return
        for message in messages:
            yield message


async def _received(client: aiomqtt.Client, retained_only: bool) -> list[aiomqtt.Message]:
    # Only what is there is taken: cancelled while it waits for more, the library's iterator may lose a message.
    messages = [await anext(client.messages) for _ in range(len(client.messages))]
    return [message for message in messages if message.retain or not retained_only]
