"""A broker for machines without Mosquitto: amqtt in a process of its own, mended where a persistent session needs it.

``python -m agents.runtime.mqtt.embedded_broker --port 1883`` runs until it gets SIGTERM or SIGINT. For demonstrations
and tests: it asks for no password, keeps everything in memory (a restart forgets queued and retained messages; chargers
and agents publish theirs again when they reconnect), and carries a few thousand messages a second.
"""

# amqtt has no type information.
# mypy: disable-error-code="import-untyped,misc,attr-defined,no-untyped-call"

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from typing import Any

import amqtt.broker
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import IncomingApplicationMessage, OutgoingApplicationMessage, Session

MAX_INFLIGHT = 1000
"""Messages that a client may have unacknowledged; the same as in this project's mosquitto.conf."""


class AllowEveryone(BaseAuthPlugin):
    """Lets everyone in.

    amqtt's own plugin for that also calls everyone anonymous, and for anonymous clients it queues nothing while they
    are away.
    """

    async def authenticate(self, *, session: Session) -> bool:
        """Accept the client."""
        return True


class KeepingHandler(BrokerProtocolHandler):
    """Keeps an unacknowledged QoS 1 message until the client acknowledges it or comes back.

    amqtt forgets it after five seconds, and when the client disconnects: an agent that is killed between receiving and
    committing would never get it again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what amqtt gives; add the window of unacknowledged messages, which amqtt does not have."""
        super().__init__(*args, **kwargs)
        self._window = asyncio.Semaphore(MAX_INFLIGHT)
        self._stopped = False

    async def stop(self) -> None:
        """Stop; what is unacknowledged stays with the session."""
        self._stopped = True
        await super().stop()

    async def _handle_qos1_message_flow(
        self, app_message: OutgoingApplicationMessage | IncomingApplicationMessage
    ) -> None:
        session = self.session
        packet_id = app_message.packet_id
        if isinstance(app_message, IncomingApplicationMessage) or session is None or packet_id is None:
            await super()._handle_qos1_message_flow(app_message)
            return
        session.inflight_out[packet_id] = app_message
        async with self._window:
            if self._stopped:
                return
            waiter: asyncio.Future[PubackPacket] = asyncio.get_running_loop().create_future()
            self._puback_waiters[packet_id] = waiter
            packet = app_message.build_publish_packet(dup=app_message.publish_packet is not None)
            app_message.publish_packet = packet
            try:
                await self._send_packet(packet)
                app_message.puback_packet = await waiter
                session.inflight_out.pop(packet_id, None)
            finally:
                self._puback_waiters.pop(packet_id, None)

    async def _retry_deliveries(self) -> None:
        # amqtt waits here until all are acknowledged, before it reads the client's subscriptions: an agent whose
        # handler waits for an answer over the bus would wait for itself.
        if self.session is not None:
            for message in list(self.session.inflight_out.values()):
                _in_background(self._handle_message_flow(message))


class KeepingBroker(Broker):
    """amqtt's broker without what breaks persistent sessions."""

    async def _handle_disconnect(
        self, client_session: Session, handler: BrokerProtocolHandler, disconnect_waiter: asyncio.Future[Any]
    ) -> None:
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)
        if self._get_handler(client_session) is not handler:
            # Taken over by a newer connection of the same client, which amqtt now believes to be gone, too.
            await self._publish_session_retained_messages(client_session)

    async def _publish_session_retained_messages(self, session: Session) -> None:
        if not session.transitions.is_connected():
            session.transitions.connect()
        # These are messages queued while the client was away; amqtt marks them as retained and waits for each.
        handler = self._get_handler(session)
        while handler is not None and not session.retained_messages.empty():
            message = session.retained_messages.get_nowait()
            _in_background(handler.mqtt_publish(message.topic, message.data, message.qos, retain=False))

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        # At a reconnection amqtt goes through everybody's filters and hands out what others have asked for.
        topic_filter, qos = subscription
        handler = self._get_handler(session)
        if handler is None or all(other is not session for other, _ in self._subscriptions.get(topic_filter, [])):
            return
        for topic, message in list(self._retained_messages.items()):
            if self._matches(topic, topic_filter):
                lowest = qos if message.qos is None else min(qos, message.qos)
                _in_background(handler.mqtt_publish(topic, message.data, lowest, retain=True))


_background: set[asyncio.Task[Any]] = set()


def _in_background(work: Any) -> None:
    task = asyncio.ensure_future(work)
    _background.add(task)  # The loop itself keeps only a weak reference.
    task.add_done_callback(_finished)


def _finished(task: asyncio.Task[Any]) -> None:
    _background.discard(task)
    if not task.cancelled() and task.exception() is not None:
        logging.getLogger(__name__).warning("delivery failed: %r", task.exception())


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    # The broker builds its handlers by this name.
    amqtt.broker.BrokerProtocolHandler = KeepingHandler
    broker = KeepingBroker(
        BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"{host}:{port}")},
            plugins={f"{AllowEveryone.__module__}.{AllowEveryone.__qualname__}": {}},
        )
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await broker.start()
    logging.getLogger(__name__).info("embedded broker listens on %s:%d", host, port)
    await stop.wait()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(broker.shutdown(), 5)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m agents.runtime.mqtt.embedded_broker", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=1883, help="TCP port (default: 1883)")
    parser.add_argument("--verbose", action="store_true", help="write every packet to standard error")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("transitions").setLevel(logging.WARNING)
    asyncio.run(serve(options.host, options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
