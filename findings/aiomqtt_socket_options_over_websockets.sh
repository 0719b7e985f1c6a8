#!/bin/sh
# aiomqtt's socket_options reach a plain TCP connection and are dropped without a word over WebSockets.
#
# aiomqtt 2.5.1 with paho-mqtt 2.2.0. A client that is given TCP_NODELAY, as a program must that publishes small messages
# of QoS 1 one after the other, has it with transport="tcp". With transport="websockets" the same argument is accepted and
# the option is off: paho hands out an object of its own around the socket there, and aiomqtt sets options only on what is
# an instance of socket.socket. Seen:
#
#   tcp         TCP_NODELAY 1
#   websockets  TCP_NODELAY 0
#
# Anything else that stands in paho's place for a socket has the same fate. The way round: set the option oneself on the
# socket inside, or make it before paho wraps it.
#
# Exit code 0 while this is so, 1 when it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q aiomqtt==2.5.1 paho-mqtt==2.2.0 amqtt==0.11.3
cat >"$folder/look.py" <<'PYTHON'
import asyncio
import logging
import socket
import sys

import aiomqtt
from amqtt.broker import Broker

logging.disable(logging.CRITICAL)
OPTION = (socket.IPPROTO_TCP, socket.TCP_NODELAY)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def seen(transport: str, port: int) -> int:
    client = aiomqtt.Client("127.0.0.1", port, transport=transport, socket_options=[(*OPTION, 1)])
    async with client:
        held = client._client.socket()
        plain = held if isinstance(held, socket.socket) else held._socket
        return plain.getsockopt(*OPTION)


async def main() -> dict[str, int]:
    ports = {"tcp": free_port(), "websockets": free_port()}
    listeners = {
        "default": {"type": "tcp", "bind": f"127.0.0.1:{ports['tcp']}"},
        "browsers": {"type": "ws", "bind": f"127.0.0.1:{ports['websockets']}"},
    }
    broker = Broker({"listeners": listeners, "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}}})
    await broker.start()
    try:
        return {transport: await seen(transport, port) for transport, port in ports.items()}
    finally:
        await broker.shutdown()


found = asyncio.run(main())
for transport, value in found.items():
    print(f"{transport:<11} TCP_NODELAY {value}")
sys.exit(found != {"tcp": 1, "websockets": 0})
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
