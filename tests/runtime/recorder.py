"""An agent as a real process, for tests: commits events into SQLite, one line of output for each step.

``python -m tests.runtime.recorder site.toml``. While the file ``hold`` lies beside ``site.toml``, a handler stops
between having its messages and committing them.
"""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import text

from agents.runtime.agent import Agent, Received, every, on
from agents.runtime.configuration.site_config import AgentSettings, load_site
from agents.runtime.process import run_agent
from bus_schema.event import Event
from bus_schema.topics import CHARGER_EVENT


class RecorderSettings(AgentSettings):
    """Settings of the recorder."""

    folder: str
    """Where ``hold`` and ``crash`` are looked for."""


class Recorder(Agent[RecorderSettings]):
    """Commits events, idempotently."""

    name = "recorder"
    settings_type = RecorderSettings
    migrations = "tests.runtime.recorder_migrations"

    @on(CHARGER_EVENT, batch=100)
    async def commit(self, events: list[Received[Event]]) -> None:
        numbers = [received.message.seq for received in events]
        say("received", *numbers)
        while (Path(self.settings.folder) / "hold").exists():
            await asyncio.sleep(0.01)
        statement = text("INSERT INTO event (seq) VALUES (:seq) ON CONFLICT DO NOTHING")
        await self.store.run(lambda session: session.execute(statement, [{"seq": n} for n in numbers]))
        say("committed", *numbers)

    @every(0.05)
    async def watch(self) -> None:
        if (Path(self.settings.folder) / "crash").exists():
            for task in asyncio.all_tasks():  # What no handler can break: the router's worker.
                if task.get_name() == "recorder.charger_event":
                    task.cancel()


def say(*words: object) -> None:
    print(*words, flush=True)


if __name__ == "__main__":
    sys.exit(run_agent(Recorder, load_site(sys.argv[1])))
