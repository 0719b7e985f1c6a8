"""Reads the site's grid meters and publishes what they measure."""

import asyncio

from agents.grid_meter.links import link_to
from agents.grid_meter.measured import MeterUnreachable
from agents.grid_meter.reading import BadReading, reading
from agents.grid_meter.settings import GridMeterSettings, MeterSettings
from agents.runtime.agent import Agent, BusUnavailable, Context
from agents.runtime.backoff import full_jitter
from bus_schema.topics import GRID_TELEMETRY

LONGEST_PAUSE_S = 30.0
"""A meter that does not answer is asked again at least so often. s."""


class GridMeter(Agent[GridMeterSettings]):
    """One task for each meter: reads, publishes, and waits longer after each failure."""

    name = "grid_meter"
    settings_type = GridMeterSettings

    def __init__(self, context: Context[GridMeterSettings]) -> None:
        """Begin with nothing read."""
        super().__init__(context)
        self._troubles: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to read."""
        for name, settings in self.settings.meters.items():
            self._tasks.append(asyncio.create_task(self._follow(name, settings), name=f"meter {name}"))

    async def stop(self) -> None:
        """Stop reading."""
        self.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """Stop reading at once."""
        for task in self._tasks:
            task.cancel()

    def problems(self) -> list[str]:
        """Say which meters cannot be read, why, and what to do."""
        ended = [f"{task.get_name()} is not read any more: restart the agent" for task in self._tasks if task.done()]
        return [*(f"meter {name}: {trouble}" for name, trouble in sorted(self._troubles.items())), *ended]

    async def _follow(self, name: str, settings: MeterSettings) -> None:
        link = link_to(settings)
        failures = 0
        try:
            while True:
                begun_s = self.clock.monotonic_s()
                try:
                    measured = await link.read()
                    message = reading(measured, settings, self.clock.now_ms())
                except (MeterUnreachable, BadReading) as error:
                    self._troubles[name] = str(error)
                    failures += 1
                    pause_s = full_jitter(self.random, failures, settings.interval_s, LONGEST_PAUSE_S)
                else:
                    self._troubles.pop(name, None)
                    failures = 0
                    try:
                        await self.bus.publish(GRID_TELEMETRY, message, meter=name)
                    except BusUnavailable as error:
                        self.log.info("reading_not_published", meter=name, reason=str(error))
                    pause_s = settings.interval_s - (self.clock.monotonic_s() - begun_s)
                await self.clock.sleep(max(0.0, pause_s))
        finally:
            await link.close()
