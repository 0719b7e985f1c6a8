"""Bugs that the world must catch, each put in by hand and taken out again.

``python -m tests.world.mutations`` tries all of them and prints in how many seeds each was caught, and by what.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from agents.ledger import committing
from agents.ledger.agent import Ledger
from agents.ledger.numbering import Progress
from agents.runtime.agent import Received
from bus_schema.event import Event
from firmware.app import sessions
from firmware.app.commands import Commands
from firmware.app.events import Events
from firmware.app.journal import Journal, identity
from firmware.app.leases import Leases
from firmware.app.local_list import ACCEPTED, LocalList
from firmware.app.sessions import Sessions
from tests.world.campaign import run_seed
from tests.world.world import Plan


def lease_expiry_raises() -> AbstractContextManager[Any]:
    """A lease that has run out is forgotten, as if its source had never limited anything."""

    def expire(self: Leases, now: int) -> bool:
        over = [source for source, lease in self.by_source.items() if now >= lease.ends]
        for source in over:
            del self.by_source[source]
        return bool(over)

    return patch.object(Leases, "expire", expire)


def journal_forgets_what_it_has_sent() -> AbstractContextManager[Any]:
    """An event counts as delivered once the link has taken it."""
    publish = Events._publish

    def forgetful(self: Events, body: str, now: int) -> bool:
        taken = publish(self, body, now)
        if taken:
            self._journal.acknowledge(*identity(body))
        return taken

    return patch.object(Events, "_publish", forgetful)


def open_session_is_not_recovered() -> AbstractContextManager[Any]:
    """The session that a power loss has cut is not ended at the next boot."""
    recover = Journal.recover

    def careless(self: Journal) -> None:
        recover(self)
        self.open_session = None

    return patch.object(Journal, "recover", careless)


def ledger_acknowledges_before_it_commits() -> AbstractContextManager[Any]:
    """The receipt goes out first, the transaction comes after."""
    commit = Ledger.commit

    async def hasty(self: Ledger, events: list[Received[Event]]) -> None:
        await self._acknowledge({(each.charger, each.message.boot_id): each.message.seq for each in events})
        await commit(self, events)

    hasty._subscriptions = commit._subscriptions  # type: ignore[attr-defined]
    return patch.object(Ledger, "commit", hasty)


def ledger_acknowledges_over_a_gap() -> AbstractContextManager[Any]:
    """The highest number that has come is acknowledged, whatever is missing below it."""

    def extend(progress: Progress, present: Iterator[int]) -> Progress:
        highest = max([progress.highest, *present])
        return Progress(highest, highest)

    return patch.object(committing, "extend", extend)


def duplicate_command_is_executed() -> AbstractContextManager[Any]:
    """The charger does not remember which ids it has answered."""
    return patch.object(Commands, "remember", lambda self, *rest: None)


def retained_command_is_executed() -> AbstractContextManager[Any]:
    """The retained flag is not looked at."""
    take = Commands.take
    return patch.object(
        Commands, "take", lambda self, sender, payload, retained, now: take(self, sender, payload, False, now)
    )


def session_energy_is_rebased() -> AbstractContextManager[Any]:
    """Every sample begins to count anew."""
    sample = Sessions.sample

    def rebasing(self: Sessions, status: str, now: int) -> None:
        sample(self, status, now)
        if self.session is not None and self.session.sampled_at == now:
            self.session.start_energy_wh = self._measuring.register.energy_wh or 0

    return patch.object(Sessions, "sample", rebasing)


def local_list_knows_everybody() -> AbstractContextManager[Any]:
    """Every card is on the charger's own list."""
    return patch.object(LocalList, "find", lambda self, token, utc: (ACCEPTED, None))


def session_that_goes_on_counts_anew() -> AbstractContextManager[Any]:
    """What a car got before the power loss is forgotten when its session goes on."""
    resumed = sessions.go_on

    def rebasing(session: Any, energy_wh: int, utc: int, now: int) -> None:
        resumed(session, energy_wh, utc, now)
        session.start_energy_wh = energy_wh

    return patch.object(sessions, "go_on", rebasing)


MUTATIONS: dict[Callable[[], AbstractContextManager[Any]], tuple[int, ...]] = {
    lease_expiry_raises: (3,),
    journal_forgets_what_it_has_sent: (4,),
    open_session_is_not_recovered: (4, 11),
    ledger_acknowledges_before_it_commits: (4,),
    ledger_acknowledges_over_a_gap: (4,),
    duplicate_command_is_executed: (3, 5, 7),
    retained_command_is_executed: (3, 7),
    session_energy_is_rebased: (4, 5, 11),
    local_list_knows_everybody: (1, 5),
    session_that_goes_on_counts_anew: (4, 5, 11),
}
"""What is broken, and the invariants of which one must be seen to be violated."""


def seeds_until_caught(mutation: Callable[[], AbstractContextManager[Any]], plan: Plan, most: int) -> tuple[int, str]:
    """Return how many seeds it took until a world failed, and its problem; 0 if none of ``most`` did.

    Raises AssertionError if that world fails without the mutation, too.
    """
    for count in range(1, most + 1):
        mutated = replace(plan, seed=plan.seed + count - 1)
        with mutation():
            result = run_seed(mutated)
        if not result.ok:
            unbroken = run_seed(mutated)
            assert unbroken.ok, f"seed {mutated.seed} fails although nothing is broken: {unbroken.problem}"
            return count, result.problem
    return 0, "not caught"


def main() -> int:
    missed = 0
    for mutation in MUTATIONS:
        count, problem = seeds_until_caught(mutation, Plan(1), 50)
        missed += not count
        print(f"{mutation.__name__}: {count} seeds: {problem[:240]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
