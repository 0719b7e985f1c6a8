"""The id tags of one charge point: local list and cache, and the way to the backend when they do not decide."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocpp.v16 import call
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory
from agents.ocpp_bridge.memory import CACHE, LOCAL, OWN
from agents.ocpp_bridge.v16.backend_session import BackendSession, Offline
from agents.ocpp_bridge.v16.id_tags import MAX_ID_TAG, Known, TagInfo, decide, fold, tag_info
from agents.ocpp_bridge.v16.offline_list import OfflineList, offline_list, page_after
from agents.ocpp_bridge.v16.statuses import Status, notification
from agents.runtime.ocpp import CallRefused, CallTimeout, ConnectionLost
from bus_schema.site_messages import BackendCard

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

AUTHORIZE_TIMEOUT_S = 10.0
"""How long the backend may think about a card while its owner stands there; then the offline rules decide. s."""

_VERSION, _BACKEND = "local_list_version", "id_tags_of"

_NONE: Mapping[str, TagInfo] = {}


class IdTags:
    """Who may charge, as far as this charge point knows."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``; :meth:`load` fills the lists."""
        self._charge_point = charge_point
        self.local: dict[str, TagInfo] = {}
        self.cache: dict[str, TagInfo] = {}
        self.version = 0
        """listVersion of the local list; 0 while there is none."""
        self._listed = False
        """Whether there ever was a local list here."""
        self._offline: tuple[Mapping[str, TagInfo], OfflineList] | None = None
        """What was made last, and of which entries."""

    def load(self, db: Database) -> None:
        """Recall the lists. Those of a backend that is the primary no more are forgotten: nobody keeps them right."""
        name = self._charge_point.name
        own = memory.settings(db, name, OWN)
        self._listed = _VERSION in own
        if own.get(_BACKEND, self._primary_name()) != self._primary_name():
            memory.remove_id_tags(db, name, LOCAL)
            memory.remove_id_tags(db, name, CACHE)
            memory.set_setting(db, name, OWN, _VERSION, "0" if self._listed else None)
            self._note_backend(db)
            return
        self.local = memory.id_tags(db, name, LOCAL)
        self.cache = memory.id_tags(db, name, CACHE)
        self.version = int(own.get(_VERSION, "0"))

    def _primary_name(self) -> str:
        primary = self._charge_point.primary
        return "" if primary is None else primary.backend.name

    def _note_backend(self, db: Database) -> None:
        memory.set_setting(db, self._charge_point.name, OWN, _BACKEND, self._primary_name())

    def offline_list(self) -> OfflineList | None:
        """Return the list that the charger should decide by while the bus is dead; None if there never was one.

        It is empty while the backend has switched its list off: LocalAuthListEnabled.
        """
        if not self._listed:
            return None
        entries = self._offline_entries()
        if self._offline is None or self._offline[0] is not entries or self._offline[1].version != self.version:
            self._offline = entries, offline_list(self.version, entries)
        return self._offline[1]

    def offline_page(self, cursor: str | None) -> tuple[list[BackendCard], str | None]:
        """Return a page of that list, and the next cursor."""
        return page_after(self._offline_entries(), cursor)

    def _offline_entries(self) -> Mapping[str, TagInfo]:
        return self.local if self._charge_point.configuration.flag("LocalAuthListEnabled") else _NONE

    async def authorize(
        self, session: BackendSession | None, id_tag: str, within_s: float = AUTHORIZE_TIMEOUT_S
    ) -> tuple[TagInfo, str]:
        """Return what counts for an idTag and who said so: ``local_list``, ``cache``, ``backend`` or ``offline``.

        A backend that has not answered ``within_s`` counts as offline.
        """
        if not 0 < len(id_tag) <= MAX_ID_TAG:
            return TagInfo("Invalid"), "offline"
        online = session is not None and session.online
        decision = self._decide(id_tag, online)
        if isinstance(decision, Known):
            return decision.info, decision.by
        assert session is not None
        try:
            answer = await session.call(call.Authorize(id_tag), timeout_s=min(within_s, AUTHORIZE_TIMEOUT_S))
        except (CallRefused, CallTimeout, ConnectionLost, Offline) as error:
            session.log.warning("authorize_failed", reason=str(error) or "offline")
            decision = self._decide(id_tag, False)
            assert isinstance(decision, Known)
            return decision.info, decision.by
        info = tag_info(answer.id_tag_info)
        await self.heard(session, id_tag, info)
        return info, "backend"

    def _decide(self, id_tag: str, online: bool) -> Known | object:
        charge_point = self._charge_point
        return decide(
            id_tag,
            charge_point.clock.now_ms(),
            local_list=self.local,
            cache=self.cache,
            configuration=charge_point.configuration,
            online=online,
        )

    def conflicts(self, id_tag: str, info: TagInfo) -> bool:
        """Tell whether the backend says otherwise than its own local list (3.5.2: LocalListConflict)."""
        listed = self.local.get(fold(id_tag))
        return listed is not None and (listed.status == "Accepted") != (info.status == "Accepted")

    async def heard(self, session: BackendSession, id_tag: str, info: TagInfo) -> None:
        """Take what the backend has said about an idTag; it is told when its own local list says otherwise."""
        await self.learned(id_tag, info)
        if self.conflicts(id_tag, info):
            whole, _ = self._charge_point.statuses()
            conflict = Status(whole.connector_id, whole.status, "LocalListConflict", "the local list says otherwise")
            await session.try_call(notification(conflict, self._charge_point.clock.now_ms()))

    async def learned(self, id_tag: str, info: TagInfo) -> None:
        """Remember what the backend has said; the local list is never changed by it (3.5.2)."""
        charge_point = self._charge_point
        if not charge_point.configuration.flag("AuthorizationCacheEnabled") or fold(id_tag) in self.local:
            return
        if self.cache.get(fold(id_tag)) == info:
            return
        now_ms = charge_point.clock.now_ms()

        def keep(db: Database) -> dict[str, TagInfo]:
            self._note_backend(db)
            memory.put_id_tags(db, charge_point.name, CACHE, {id_tag: info}, now_ms)
            memory.trim_cache(db, charge_point.name)
            return memory.id_tags(db, charge_point.name, CACHE)

        self.cache = await charge_point.store.run(keep)

    async def clear_cache(self) -> None:
        """Forget what the backend has said."""
        name = self._charge_point.name
        await self._charge_point.store.run(lambda db: memory.remove_id_tags(db, name, CACHE))
        self.cache = {}

    async def replace_local(self, version: int, entries: Mapping[str, TagInfo]) -> None:
        """Make these the local list."""
        await self._keep_local(version, dict(entries))

    async def change_local(self, version: int, changes: Mapping[str, TagInfo | None]) -> None:
        """Add, replace and (None) remove entries of the local list."""
        entries = dict(self.local)
        for tag, info in changes.items():
            if info is None:
                entries.pop(fold(tag), None)
            else:
                entries[fold(tag)] = info
        await self._keep_local(version, entries)

    async def _keep_local(self, version: int, entries: dict[str, TagInfo]) -> None:
        charge_point = self._charge_point
        folded = {fold(tag): info for tag, info in entries.items()}
        now_ms = charge_point.clock.now_ms()

        def keep(db: Database) -> None:
            memory.remove_id_tags(db, charge_point.name, LOCAL)
            memory.put_id_tags(db, charge_point.name, LOCAL, folded, now_ms)
            memory.remove_id_tags(db, charge_point.name, CACHE, folded)
            memory.set_setting(db, charge_point.name, OWN, _VERSION, str(version))
            self._note_backend(db)

        await charge_point.store.run(keep)
        self.local, self.version, self._listed = folded, version, True
        self.cache = {tag: info for tag, info in self.cache.items() if tag not in folded}
