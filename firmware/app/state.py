"""The ``state`` message: written anew when something has changed, else only its numbers are filled in."""

from .text import clip, nullable, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .faults import Faults
    from .leases import Leases
    from .limits import Limit
    from .ota import Update
    from .seam import Snapshot
    from .service import Service
    from .sessions import Sessions

_TRUE = ("false", "true")


class StateText:
    """Keeps the text of the last state, with places for what always changes: times, registers, counts."""

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id
        self._key: tuple[object, ...] | None = None
        self._template = ""

    def forget(self) -> None:
        """Let the next :meth:`update` report a change."""
        self._key = None

    def update(
        self,
        snap: "Snapshot",
        status: str,
        limit: "Limit",
        sessions: "Sessions",
        leases: "Leases",
        faults: "Faults",
        service: "Service",
        firmware: "Update | None" = None,
    ) -> bool:
        """Take what is now; return whether anything but numbers has changed."""
        session = sessions.session
        key = (
            snap.cp_state,
            status,
            snap.contactor_closed,
            snap.offered_current_a,
            limit.limited_by,
            limit.reason,
            limit.possible_a,
            None if session is None else session.session_id,
            sessions.awaited is not None,
            tuple([(source, lease.current_a, lease.expired) for source, lease in leases.by_source.items()]),
            faults.changes,
            service.available,
            sessions.paused,
            service.reservation,
            None if firmware is None else (firmware.status, firmware.percent, firmware.version, firmware.reason),
        )
        if key == self._key:
            return False
        self._key = key
        head = '{"ts":%%s,"uptime_ms":%%d,"boot_id":"%s",' % self._boot_id
        pilot = '"cp_state":"%s","status":"%s","contactor_closed":%s,"offered_current_a":%.2f,' % (
            snap.cp_state,
            status,
            _TRUE[bool(snap.contactor_closed)],
            snap.offered_current_a,
        )
        limited = '"limited_by":"%s","limit_reason":%s,"possible_current_a":%.2f,' % (
            limit.limited_by,
            _text(clip(limit.reason)),
            limit.possible_a,
        )
        parts = [head, pilot, limited, '"energy_wh":%s,"journal_pending":%d,"last_seq":%s,']
        parts.append('"available":%s,"paused":%s,' % (_TRUE[service.available], _TRUE[sessions.paused]))
        if service.reservation is not None:
            parts.append('"reservation":{"reservation_id":%d,"expires_ts":%d},' % service.reservation_numbers())
        if firmware is not None:
            parts.append(_update_text(firmware))
        parts.append(_faults_text(faults))
        parts.append(_session_text(sessions))
        parts.append('"leases":[' + ",".join(_lease_text(source, leases) for source in leases.by_source) + "]}")
        self._template = "".join(parts)
        return True

    def text(
        self,
        head: tuple[object, int],
        counts: tuple[int | None, int, int],
        sessions: "Sessions",
        leases: "Leases",
        now: int,
    ) -> str:
        """Return the message; ``head`` is ts in JSON and uptime, ``counts`` register, pending events and last_seq."""
        values: list[object] = [head[0], head[1], nullable(counts[0]), counts[1], counts[2] or "null"]
        if sessions.session is not None:
            values.append(sessions.session_energy_wh())
        if sessions.awaited is not None:
            values.append(max(0, sessions.awaited.ends - now) // 1000)
        for lease in leases.by_source.values():
            values.append(0 if lease.expired else max(0, lease.ends - now) // 1000)
        return self._template % tuple(values)


def _text(text: str) -> str:
    return quote(text).replace("%", "%%")


def _update_text(update: "Update") -> str:
    version = "null" if update.version is None else _text(update.version)
    words = (_text(update.command_id), update.status, version, update.percent, _text(update.reason))
    return '"firmware_update":{"command_id":%s,"status":"%s","version":%s,"percent":%d,"reason":%s},' % words


def _faults_text(faults: "Faults") -> str:
    rows = [
        '{"fault":"%s","since_ts":%s,"detail":%s}' % (word, nullable(since), _text(detail))
        for word, since, detail in faults.rows()
    ]
    return '"faults":[%s],' % ",".join(rows)


def _session_text(sessions: "Sessions") -> str:
    parts = []
    session = sessions.session
    if session is not None:
        parts.append('"session":{"session_id":"%s","started_ts":%s,' % (session.session_id, nullable(session.ts)))
        parts.append('"start_energy_wh":%d,"authorized_by":"%s",' % (session.start_energy_wh, session.authorized_by))
        parts.append('"energy_wh":%d},')
    if sessions.awaited is not None:
        parts.append('"waiting_for_car_s":%d,')
    return "".join(parts)


def _lease_text(source: str, leases: "Leases") -> str:
    lease = leases.by_source[source]
    expired = _TRUE[lease.expired]
    return '{"source":"%s","current_a":%.2f,"expired":%s,"remaining_s":%%d}' % (source, lease.current_a, expired)
