"""Which of several balancers acts, should there be several by mistake (invariant 2).

Every balancer publishes retained claims on one topic and hears all of them, its own too. A broker hands the messages
of a topic to everyone in the order in which it took them, so that all hear claims in the same order. Whoever hears the
echo of its own first claim without having heard another's shortly before has won; everybody else has heard the winner
before their own echo and stands by. The winner goes on claiming; its right to act ends by itself when echoes stay out,
sooner than anyone else may take over.

Pure: no clock, no I/O. Times are steady seconds.
"""

from dataclasses import dataclass
from enum import StrEnum

PERIOD_S = 2.0
"""Distance of claims."""

RIGHT_S = 6.0
"""How long after the *sending* of a claim that has come back one may act."""

TAKEOVER_S = RIGHT_S + 6.0
"""Silence of another's claims after which they count as dead: its right has ended by then, counted from later."""

GRACE_S = RIGHT_S + 1.0
"""How long a winner waits before it acts: an earlier process on the same database may act on until its right ends."""


class Standing(StrEnum):
    """Where a balancer stands."""

    CLAIMING = "claiming"
    """It has not heard its own echo yet."""
    STANDING_BY = "standing by"
    """Another balancer is at work."""
    WAITING = "waiting"
    """It has won and lets the time of others run out."""
    ACTING = "acting"
    """It may order."""
    REPLACED = "replaced"
    """A newer process on the same database has taken its place, for good."""


class Knowledge(StrEnum):
    """What a winner knows of the grants that are outstanding."""

    OWN = "own"
    """Nobody but this process, or earlier ones on its database, has granted anything."""
    NONE = "none"
    """Somebody else may have granted anything."""


@dataclass(slots=True)
class Claims:
    """The claims of one process: what it says, what it hears, and whether it may act."""

    instance: str
    epoch: int
    standing: Standing = Standing.CLAIMING
    knowledge: Knowledge = Knowledge.NONE
    other: str | None = None
    """Instance that was heard last, if it was not this one."""
    _seq: int = 0
    _sent_s: float = -1e18
    """When the newest claim was sent."""
    _pending: tuple[tuple[int, float], ...] = ()
    """Number and time of the claims that have not come back."""
    _right_s: float = -1e18
    """Sending time of the newest claim that came back."""
    _acts_from_s: float = 1e18
    _other_s: float = -1e18
    """When another's claim was last heard."""
    _own_seen: bool = False
    """Whether the broker has kept a claim of this instance."""

    def due(self, now_s: float) -> int | None:
        """Return the number of the claim to send now, or None. It must be sent, and :meth:`heard` fed with its echo."""
        if self.standing is Standing.REPLACED or now_s - self._sent_s < PERIOD_S:
            return None
        if self.standing is Standing.STANDING_BY:
            if now_s - self._other_s < TAKEOVER_S:
                return None
            self.standing = Standing.CLAIMING
        if self.standing is not Standing.CLAIMING and not self._has_right(now_s):
            self._lapse(now_s)
        self._seq += 1
        self._sent_s = now_s
        self._pending = (*self._pending[-8:], (self._seq, now_s))
        return self._seq

    def heard(self, instance: str, epoch: int, seq: int, now_s: float) -> None:
        """Take a claim from the bus: another's, or the echo of one's own."""
        if instance != self.instance:
            self.other = instance
            self._other_s = now_s
            undecided = self.standing in (Standing.CLAIMING, Standing.WAITING)
            if self.standing is not Standing.REPLACED and (undecided or not self._has_right(now_s)):
                self.standing, self.knowledge = Standing.STANDING_BY, Knowledge.NONE
                self._pending = ()
            return
        if epoch > self.epoch:
            self.standing = Standing.REPLACED
        elif epoch < self.epoch:
            self._own_seen = True
        else:
            self._echo(seq, now_s)

    def _echo(self, seq: int, now_s: float) -> None:
        sent = [at_s for number, at_s in self._pending if number == seq]
        if not sent or self.standing in (Standing.REPLACED, Standing.STANDING_BY):
            return
        self._right_s = max(self._right_s, sent[0])
        self._pending = tuple(each for each in self._pending if each[0] > seq)
        if self.standing is Standing.CLAIMING:
            if self._own_seen and self.other is None:
                self.knowledge = Knowledge.OWN
            self._own_seen = True
            self.standing, self._acts_from_s = Standing.WAITING, now_s + GRACE_S
            self.other = None

    def _lapse(self, now_s: float) -> None:
        """The right has ended while nobody else was heard: claim again."""
        if now_s - self._right_s > TAKEOVER_S:
            # So long that another may have come, acted and gone.
            self.knowledge, self._own_seen = Knowledge.NONE, False
        self.standing = Standing.CLAIMING
        self._pending = ()

    def _has_right(self, now_s: float) -> bool:
        return now_s - self._right_s < RIGHT_S

    def may_act(self, now_s: float) -> bool:
        """Tell whether an order may leave now."""
        if self.standing is Standing.WAITING and now_s >= self._acts_from_s:
            self.standing = Standing.ACTING
        return self.standing is Standing.ACTING and self._has_right(now_s)

    @property
    def won(self) -> bool:
        """Whether nobody else is at work: this one orders, or will as soon as it may."""
        return self.standing in (Standing.WAITING, Standing.ACTING)

    def in_words(self) -> str | None:
        """Say what keeps this balancer from acting, None when nothing does."""
        if self.standing is Standing.REPLACED:
            return "another process on the same database has taken over: stop one of the two"
        if self.standing is Standing.STANDING_BY:
            return (
                f"another load balancer ({self.other}) is at work at this site; this one stands by: stop one of the two"
            )
        return None
