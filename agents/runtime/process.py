"""An agent as a process of its own: signals, logs, metrics, database, bus, and one exit code.

``run_agent(Ledger, load_site("site.toml"))`` is what ``chargebus agent ledger`` does.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import structlog
from structlog.typing import FilteringBoundLogger

from agents.runtime.agent import Agent, CannotStart
from agents.runtime.backoff import full_jitter
from agents.runtime.clock import SystemClock
from agents.runtime.configuration.site_config import AgentSettings, ConfigError, SiteConfig
from agents.runtime.database.store_errors import DatabaseDamaged, NewerDatabase, StoreUnavailable
from agents.runtime.delivery.routing import RoutingError
from agents.runtime.host import AgentHost
from agents.runtime.mqtt.certificate import UnusableCertificate, check_identity
from agents.runtime.mqtt.client import MqttTransport
from agents.runtime.mqtt.options import MqttOptions
from agents.runtime.reporting.expiry import ExpiryWatch
from agents.runtime.reporting.liveness import Liveness, listeners
from agents.runtime.reporting.logs import set_up_logs

if TYPE_CHECKING:
    from agents.runtime.database.store import Store

EXIT_OK = 0
"""The agent was told to stop and did."""

EXIT_FAILED = 1
"""The agent broke; the log says how. Whatever supervises it starts it again."""

EXIT_CONFIG = 2
"""The agent cannot start as it is configured; starting it again does not help."""


SWITCH_INTERVAL_S = 0.0001
"""How long a thread may keep the interpreter from another that waits for it. s."""

STORE_CHECK_S = 2.0
"""How often it is seen whether the database's file is still there. s."""

CLOSE_TIMEOUT_S = 5.0
"""How long the good-bye to the broker may take."""


def run_agent(agent_type: type[Agent[Any]], site: SiteConfig) -> int:
    """Run an agent until SIGTERM or SIGINT; return the process's exit code."""
    set_up_logs(site.log)
    log: FilteringBoundLogger = structlog.get_logger().bind(agent=agent_type.name)
    try:
        asyncio.run(_run(agent_type, site, log))
    except (ConfigError, NewerDatabase, RoutingError, CannotStart) as error:
        log.error("cannot_start", reason=str(error))
        return EXIT_CONFIG
    except DatabaseDamaged as error:
        log.error("database_damaged", reason=str(error), next="the agent starts again on a new one")
        return EXIT_FAILED
    except Exception as error:
        # Whatever it is: one clear line with its trace, and an exit code that a supervisor understands.
        log.exception("crashed", error=type(error).__name__, reason=str(error)[:400])
        return EXIT_FAILED
    return EXIT_OK


async def _run(agent_type: type[Agent[Any]], site: SiteConfig, log: FilteringBoundLogger) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(partial(_tell_in_a_line, log))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    name = agent_type.name
    settings = site.settings(name, agent_type.settings_type)
    common = settings if isinstance(settings, AgentSettings) else AgentSettings()
    clock = SystemClock()
    identity = agent_type.identity(settings)
    options = mqtt_options(site, identity)
    try:
        check_identity(options)
        options.tls_context()  # Only to see whether it can be made.
    except (UnusableCertificate, OSError) as error:
        raise CannotStart(f"{site.path}: [broker] {error}") from None
    transport = MqttTransport(options, clock, log=log)
    liveness = Liveness(listeners(os.environ))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(asyncio.create_task(liveness.run(clock)).cancel)
        store = _open_store(site, agent_type, identity)
        if store is not None:
            stack.callback(store.close)
            if not await _upgraded(store, clock, stop, log):
                return
        host = AgentHost(
            agent_type, settings, transport, clock, store, site=site.site, log=log, queue_limit=common.queue_limit
        )
        if common.metrics_port is not None:
            await stack.enter_async_context(_metrics(host, transport, site.site, common, common.metrics_port))
        if options.cert_file is not None:
            expiry = ExpiryWatch(identity, options.cert_file, host.agent.bus, clock, log)
            stack.callback(asyncio.create_task(expiry.run()).cancel)
        liveness.watch(lambda: host.on_bus)
        await _live(host, transport, store, stop, log)


def _tell_in_a_line(log: FilteringBoundLogger, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what failed in a callback. A connection that breaks in the handshake is no defect and needs no traceback."""
    error = context.get("exception")
    if isinstance(error, OSError):
        log.warning("connection_broke", reason=f"{context.get('message', '')}: {error}"[:400])
    else:
        loop.default_exception_handler(context)


async def _live(
    host: AgentHost,
    transport: MqttTransport,
    store: "Store | None",
    stop: asyncio.Event,
    log: FilteringBoundLogger,
) -> None:
    """Start the agent, keep it until told to stop, and end it in order. Raises what breaks it."""
    await host.start()
    ease_collector()
    share_processor()
    transport.serve(host)
    connection = asyncio.create_task(transport.run())
    broken = asyncio.create_task(host.wait_broken())
    stopping = asyncio.create_task(stop.wait())
    damaged = asyncio.create_task(_watch_store(store))
    log.info("started")
    try:
        await asyncio.wait({connection, broken, stopping, damaged}, return_when=asyncio.FIRST_COMPLETED)
        for ended in (connection, broken, damaged):
            if ended.done():
                ended.result()
    finally:
        broken.cancel()
        stopping.cancel()
        damaged.cancel()
        await host.stop()
        await transport.close()
        # A connection attempt may still be under way.
        await asyncio.wait({connection}, timeout=CLOSE_TIMEOUT_S)
        connection.cancel()
        log.info("stopped")


def ease_collector() -> None:
    """Spare Python's garbage collector what lasts as long as the process, and run it less often.

    A batch of messages is thousands of objects without a cycle among them. With Python's defaults looking for cycles
    takes a quarter of the time from the bus to the disk (30 µs a message, 22 µs so).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def share_processor() -> None:
    """Let the thread of the database have its turn fifty times as often as Python's 5 ms.

    SQLite gives the interpreter's lock up at every statement; behind an event loop that a flood keeps busy each of them
    would wait for 5 ms to get it back. In ``tests.bench.ledger_fairness`` the slowest acknowledgements beside a flood
    took 43 ms at 0.5 ms and 23 ms at this; a batch of the ledger costs no more processor time.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)


async def _watch_store(store: "Store | None") -> None:
    """Raise :class:`DatabaseDamaged` when the database cannot be used any more; else wait until cancelled.

    The process ends then, having acknowledged nothing more, and the next one sets the file aside.
    """
    while True:
        await asyncio.sleep(STORE_CHECK_S)
        if store is None:
            continue
        store.check_file()
        if store.damage is not None:
            raise store.damage


async def _upgraded(store: "Store", clock: SystemClock, stop: asyncio.Event, log: FilteringBoundLogger) -> bool:
    """Migrate the database, waiting for it if need be, in place of a damaged one if need be.

    False when told to stop meanwhile.
    """
    random, attempt = SystemRandom(), 0
    while not stop.is_set():
        try:
            loss = await asyncio.to_thread(store.recover, clock.now_ms())
            if loss is not None:
                log.error("database_lost", what=loss.text, noted_in=loss.note)
            await asyncio.to_thread(store.upgrade)
        except StoreUnavailable as error:
            delay_s = full_jitter(random, attempt, 1.0, 30.0)
            attempt += 1
            log.warning("store_unavailable", reason=str(error), retry_in_s=round(delay_s, 2))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay_s)
        else:
            return True
    return False


def _open_store(site: SiteConfig, agent_type: type[Agent[Any]], identity: str) -> "Store | None":
    if agent_type.migrations is None:
        return None  # It keeps nothing.
    from agents.runtime.database.store import Store

    url = site.store_url(identity, local=agent_type.local_store)
    if url.get_backend_name() == "sqlite" and url.database:
        try:
            # Card numbers and sessions are nobody else's business.
            Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(f"cannot make the folder of {url.database}: {error.strerror}") from None
    return Store(url, agent_type.migrations)


@contextlib.asynccontextmanager
async def _metrics(
    host: AgentHost, transport: MqttTransport, site: str, settings: AgentSettings, port: int
) -> AsyncIterator[None]:
    from agents.runtime.reporting.metrics import AgentCollector, serving_metrics

    collector = AgentCollector(
        host.agent.name,
        site,
        host.counters,
        host.router.queued_by_topic,
        lambda: transport.unacknowledged,
        host.agent.gauges,
        host.agent.quotas,
        lambda: host.quota_alarm.named,
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(serving_metrics(collector, settings.metrics_host, port, settings.hosts))
        except OSError as error:
            raise CannotStart(
                f"cannot serve metrics on {settings.metrics_host}:{port}: {error.strerror}; choose another metrics_port"
            ) from None
        yield


def mqtt_options(site: SiteConfig, identity: str) -> MqttOptions:
    """Return how a process connects to the site's broker: persistent session, client id ``{site}-{identity}``.

    ``identity`` is the agent's name, but where several processes share its work (``influx_logger-2``). It is the
    broker's user, too: user name, password file and certificate are the process's own, because a broker that uses
    the user as client id keeps one connection for each.

    Raises :class:`ConfigError` for a password file that cannot be read.
    """
    broker = site.broker

    def file(path: Path | None) -> Path | None:
        return None if path is None else site.resolve(path, identity)

    return MqttOptions(
        host=broker.host,
        port=broker.port,
        client_id=f"{site.site}-{identity}",
        username=site.broker_username(identity) or None,
        password=site.broker_password(identity),
        keepalive_s=broker.keepalive_s,
        tls=broker.tls,
        ca_file=file(broker.ca_file),
        cert_file=file(broker.cert_file),
        key_file=file(broker.key_file),
    )
