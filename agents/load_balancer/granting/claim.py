"""Which of several balancers acts, should there be several by mistake (invariant 2).

Every balancer publishes retained claims on one topic and hears all of them, its own too. A broker hands the messages
of a topic to everyone in the order in which it took them, so that all hear claims in the same order. Whoever hears the
echo of its own first claim without having heard another's shortly before has won; everybody else has heard the winner
before their own echo and stands by. The winner goes on claiming; its right to act ends by itself when echoes stay out,
sooner than anyone else may take over.

A claim also says whether its sender's database holds all that may be outstanding. A later life on that database that
finds such a claim last on the bus, and not an old one, knows that nobody else has granted anything since.

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

ALONE_S = TAKEOVER_S + GRACE_S
"""How long after the sending of a claim nobody else can have acted: an older one proves nothing, for a broker that was
killed may have forgotten later ones of others."""

LAST = 9
"""Claims whose echoes count: more have been sent before the right of the first is over."""

NEVER_S = -1e18
"""The time of what has not happened."""


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
    """All of it: this process counts it, or its database holds it."""
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
    _sent_s: float = NEVER_S
    """When the newest claim was sent."""
    _pending: tuple[tuple[int, float], ...] = ()
    """Number and time of the last claims, whose echoes prove something."""
    _right_s: float = NEVER_S
    """Sending time of the newest claim that came back."""
    _acts_from_s: float = 1e18
    _other_s: float = NEVER_S
    """When another's claim was last heard."""
    _left_complete: bool = False
    """Whether the last claim of an earlier life said that its database, which is this one's, holds everything."""

    def due(self, now_s: float) -> int | None:
        """Return the number of the claim to send now, or None. It must be sent, and :meth:`heard` fed with its echo."""
        if self.standing is Standing.REPLACED or now_s - self._sent_s < PERIOD_S:
            return None
        if self.standing is Standing.STANDING_BY:
            if now_s - self._other_s < TAKEOVER_S:
                return None
            self.standing = Standing.CLAIMING
        if self.standing is not Standing.CLAIMING and not self._has_right(now_s):
            # The right has ended while nobody else was heard: claim again.
            self.standing, self._pending = Standing.CLAIMING, ()
        self._seq += 1
        self._sent_s = now_s
        self._pending = (*self._pending[1 - LAST :], (self._seq, now_s))
        return self._seq

    def heard(self, instance: str, epoch: int, seq: int, now_s: float, *, complete: bool, age_s: float) -> None:
        """Take a claim from the bus: another's, or the echo of one's own. ``age_s``: how long ago it was sent."""
        if instance != self.instance:
            self.other = instance
            self._other_s = now_s
            undecided = self.standing in (Standing.CLAIMING, Standing.WAITING)
            if self.standing is not Standing.REPLACED and (undecided or not self._has_right(now_s)):
                self.standing = Standing.STANDING_BY
                self._know_nothing()
                self._pending = ()
            return
        if epoch > self.epoch:
            self.standing = Standing.REPLACED
        elif epoch < self.epoch:
            # Once this life has won, it knows better than an earlier one what is outstanding.
            self._left_complete = complete and abs(age_s) < ALONE_S and self._right_s == NEVER_S
        else:
            self._echo(seq, now_s)

    def _echo(self, seq: int, now_s: float) -> None:
        sent = [at_s for number, at_s in self._pending if number == seq]
        if not sent or self.standing in (Standing.REPLACED, Standing.STANDING_BY):
            return
        if self.standing is Standing.CLAIMING:
            if self._left_complete and self.other is None:
                self.knowledge = Knowledge.OWN
            elif now_s - self._right_s > TAKEOVER_S:
                # So long that another may have come, acted and gone.
                self._know_nothing()
            self._left_complete = False
            self.standing, self._acts_from_s = Standing.WAITING, now_s + GRACE_S
            self.other = None
        self._right_s = max(self._right_s, sent[0])

    def _know_nothing(self) -> None:
        self.knowledge, self._left_complete = Knowledge.NONE, False

    def knows_all(self, now_s: float) -> bool:
        """Tell whether nothing can be outstanding that neither this process counts nor its database holds."""
        return self.won and self._has_right(now_s) and self.knowledge is Knowledge.OWN

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
