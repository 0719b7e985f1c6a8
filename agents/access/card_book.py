"""The cards that count now: those of ``site.toml`` and those of the file, which may change while the agent runs."""

from collections.abc import Iterable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from agents.access.cards import Card, Cards, by_uid
from agents.access.cards_file import CardsFileError, read_cards
from agents.access.decisions import load_cards, replace_cards
from agents.runtime.database.store import Store


class CardBook:
    """Keeps the list of cards. A file that cannot be used changes nothing: the last good one counts on."""

    def __init__(self, own: Iterable[Card], path: Path | None, store: Store, log: FilteringBoundLogger) -> None:
        """Keep the cards of the settings; ``path`` is the file with the others, if there is one."""
        self._own = by_uid(own)
        self._path = path
        self._store = store
        self._log = log
        self._version: tuple[int, int, int] | None = None
        self.cards: Cards = dict(self._own)
        """All cards by UID; one in both places counts as it stands in the settings."""
        self.problem: str | None = None
        """What is wrong with the file, in words."""

    async def load(self) -> None:
        """Recall the last good file, then read the file."""
        if self._path is None:
            # The setting is gone, and with it the cards that it brought.
            await self._store.run(lambda db: replace_cards(db, {}))
            return
        self.cards = {**await self._store.run(load_cards), **self._own}
        await self.refresh()

    async def refresh(self) -> None:
        """Read the file if it has changed."""
        path = self._path
        if path is None:
            return
        version = _version(path)
        if version is not None and version == self._version:
            return
        try:
            cards = read_cards(path)
        except CardsFileError as error:
            problem = f"{error}. The last good list of cards counts."[:400]
            if problem != self.problem:
                self._log.error("cards_file_unusable", reason=str(error))
            self.problem, self._version = problem, version
            return
        await self._store.run(lambda db: replace_cards(db, cards))
        self.cards = {**cards, **self._own}
        self.problem, self._version = None, version
        self._log.info("cards_read", file=str(path), cards=len(cards))


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
