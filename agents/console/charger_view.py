"""What is known of one charger, and the card that shows it."""

from agents.console.cards import ChargerCard, Connection, Drawn, FaultCard, PhaseCurrent, SessionCard
from agents.console.status_words import detail_of, tone_of
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.words import Phase

STATE_SILENT_S = 30.0
"""A charger publishes its state at least every 10 s; after three missed ones it counts as silent. s."""

TELEMETRY_STALE_S = 5.0
"""Age from which measured values count as unknown. s."""

JOURNAL_NOTE_ABOVE = 20
"""Events waiting for the ledger from which it is worth a note: more than one round of sending."""

_SUPPLY = (Phase.L1, Phase.L2, Phase.L3)


class ChargerView:
    """Messages of one charger go in, its card comes out."""

    def __init__(self, charger: str) -> None:
        """Start knowing nothing but the id."""
        self.charger = charger
        self._offline = False
        self._meta: Meta | None = None
        self._state: State | None = None
        self._state_s = float("-inf")
        self._telemetry: Telemetry | None = None
        self._telemetry_s = float("-inf")
        self._heard_ts: int | None = None
        self._revision = 0
        self._cached: tuple[tuple[int, Connection, bool], ChargerCard] | None = None

    def hear_online(self, message: Online, monotonic_s: float, utc_ms: int) -> None:
        """Take whether it is connected."""
        self._offline = not message.online
        if self._state is None and message.online:
            self._state_s = monotonic_s
        self._touch(utc_ms)

    def hear_meta(self, message: Meta) -> None:
        """Take what kind of charger it is."""
        self._meta = message
        self._revision += 1

    def hear_state(self, message: State, monotonic_s: float, utc_ms: int | None, *, live: bool) -> None:
        """Take its state, true at ``monotonic_s``.

        A live one shows that the charger is connected, whatever was said before: the will of an earlier connection
        may come late, after the charger has already returned.
        """
        self._state, self._state_s = message, monotonic_s
        if live:
            self._offline = False
        self._touch(utc_ms)

    def hear_telemetry(self, message: Telemetry, monotonic_s: float, utc_ms: int) -> None:
        """Take measured values."""
        self._telemetry, self._telemetry_s = message, monotonic_s
        self._offline = False
        self._touch(utc_ms)

    def card(self, now_s: float) -> ChargerCard:
        """Return what to show at ``now_s`` (monotonic seconds); the same object as long as nothing has changed."""
        connection = self._connection(now_s)
        fresh = connection is Connection.ONLINE and now_s - self._telemetry_s <= TELEMETRY_STALE_S
        key = (self._revision, connection, fresh)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, self._build(connection, self._telemetry if fresh else None))
        return self._cached[1]

    def _touch(self, utc_ms: int | None) -> None:
        self._revision += 1
        if utc_ms is not None and (self._heard_ts is None or utc_ms > self._heard_ts):
            self._heard_ts = utc_ms

    def _connection(self, now_s: float) -> Connection:
        if self._offline:
            return Connection.OFFLINE
        return Connection.ONLINE if now_s - self._state_s <= STATE_SILENT_S else Connection.SILENT

    def _build(self, connection: Connection, telemetry: Telemetry | None) -> ChargerCard:
        state, meta = self._state, self._meta
        # What is not known to be true now is not shown as if it were.
        now = state if connection is Connection.ONLINE else None
        currents, drawn = self._currents(now, telemetry)
        return ChargerCard(
            charger=self.charger,
            connection=connection,
            tone=tone_of(connection, state),
            status=None if state is None else str(state.status),
            detail=detail_of(connection, state),
            heard_ts=None if connection is Connection.ONLINE else self._heard_ts,
            offered_current_a=None if now is None else now.offered_current_a,
            rated_current_a=None if meta is None else meta.rated_current_a,
            currents=currents,
            drawn=drawn,
            power_w=None if telemetry is None else telemetry.power_w,
            limited_by=None if now is None else now.limited_by,
            limit_reason=None if now is None else now.limit_reason,
            session=self._session(),
            faults=() if state is None else tuple(FaultCard(f.fault, f.since_ts, f.detail) for f in state.faults),
            notes=() if now is None else _notes(now),
            reserved_until_ts=None if now is None or now.reservation is None else now.reservation.expires_ts,
            hardware=None if meta is None else meta.hardware,
            firmware=None if meta is None else meta.firmware,
        )

    def _currents(self, now: State | None, telemetry: Telemetry | None) -> tuple[tuple[PhaseCurrent, ...], Drawn]:
        rotation = [Phase.L1] if self._meta is None else self._meta.phase_rotation
        measured: tuple[float | None, ...] = (None, None, None)
        if telemetry is not None:
            measured = (telemetry.current_l1_a, telemetry.current_l2_a, telemetry.current_l3_a)
            if self._meta is None:
                rotation = [phase for phase, amperes in zip(_SUPPLY, measured, strict=True) if amperes is not None]
        by_phase = dict(zip(rotation, measured, strict=False))
        currents = tuple(PhaseCurrent(str(phase), by_phase[phase]) for phase in sorted(by_phase))
        if any(each.current_a is not None for each in currents):
            return currents, Drawn.MEASURED
        if now is not None and not now.contactor_closed:
            return currents, Drawn.NONE
        return currents, Drawn.UNKNOWN

    def _session(self) -> SessionCard | None:
        session = None if self._state is None else self._state.session
        if session is None:
            return None
        energy_wh, telemetry = session.energy_wh, self._telemetry
        if telemetry is not None and telemetry.session_id == session.session_id and telemetry.energy_wh is not None:
            # The register only grows, so the larger difference is the newer one.
            energy_wh = max(energy_wh, telemetry.energy_wh - session.start_energy_wh)
        return SessionCard(session.session_id, session.started_ts, energy_wh, session.authorized_by)


def _notes(state: State) -> tuple[str, ...]:
    notes = []
    if state.paused:
        notes.append("Paused by a command.")
    if not state.available:
        notes.append("Taken out of service by a command.")
    if state.journal_pending > JOURNAL_NOTE_ABOVE:
        notes.append(f"{state.journal_pending} events wait for the ledger.")
    if state.ts is None:
        notes.append("Its clock is not set.")
    notes.extend(f"The lease of {lease.source} has run out." for lease in state.leases if lease.expired)
    return tuple(notes)
