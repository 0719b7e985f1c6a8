"""How much one sender may ask of an agent, and what it was refused: one mechanism for everything a device can create.

::

    quota = agent.quotas.add("unknown_stations", Budget(burst=20, per_s=0.1), "unknown stations", "They are closed.")
    if not quota.take(peer, clock.monotonic_s()):
        await refuse(retry_after_s=quota.wait_s(peer, clock.monotonic_s()))

Whatever is refused is counted under its sender: health, Prometheus and one alarm of the agent name it
(:mod:`agents.runtime.reporting.quota_alarm`). What a quota remembers is bounded whatever names senders choose. No clock
is read here: the caller hands in seconds that never go back.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

MAX_SENDERS = 4096
"""Senders that one quota tells apart. Further ones share one budget until one of these has recovered its own."""

OTHERS = "others"
"""Name of the senders that are too many to be told apart."""

ALARM_AFTER = 10
"""Refusals of one sender after which it is named in the alarm, unless its quota says otherwise. Fewer are a device's
bad minute."""

QUIET_S = 300.0
"""Time without a refusal after which a sender is no longer named. s."""

LONGEST_NAME = 64
"""Characters of a sender's name that are kept; a stranger may call itself whatever it likes."""


_NAME = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Budget:
    """What a sender may do: ``burst`` times at once, and ``per_s`` times a second in the long run."""

    burst: float
    per_s: float

    def __post_init__(self) -> None:
        """Refuse a budget that nobody could ever use, or that never recovers."""
        if self.burst < 1 or self.per_s <= 0:
            raise ValueError(f"a budget needs a burst of at least 1 and a rate above 0, not {self.burst}, {self.per_s}")


@dataclass(slots=True)
class Refused:
    """What one sender was refused since it was last quiet for :data:`QUIET_S`."""

    sender: str
    quota: str
    """Which quota it has exceeded."""
    count: int
    since_s: float
    last_s: float


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Quota:
    """One kind of thing that senders create, with a budget for each of them."""

    def __init__(
        self,
        name: str,
        budget: Budget,
        things: str,
        consequence: str,
        *,
        max_senders: int = MAX_SENDERS,
        alarm_after: int = ALARM_AFTER,
    ) -> None:
        """Refuse what exceeds ``budget``.

        ``things`` says in words what is counted (``new boots``) and ``consequence`` what becomes of what is refused,
        as a sentence for the alarm, which names a sender after ``alarm_after`` refusals. Raises :class:`ValueError`
        for a name that health cannot carry.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"a quota is named with small letters and underscores, not {name!r}")
        self.name = name
        self.budget = budget
        self.things = things
        self.consequence = consequence
        self.alarm_after = alarm_after
        self.total = 0
        """How many times anyone was refused since the start."""
        self._max_senders = max_senders
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        """Those that are not full, longest untouched first: a full one and none at all are the same."""
        self._refused: OrderedDict[str, Refused] = OrderedDict()
        """By sender, the one longest without a refusal first."""

    def take(self, sender: str, now_s: float, amount: float = 1.0) -> bool:
        """Take from the sender's budget; return False, having counted a refusal, when there is not enough left."""
        sender = sender_name(sender)
        bucket = self._bucket(sender, now_s)
        if bucket.left < amount:
            self.refuse(sender, now_s)
            return False
        bucket.left -= amount
        return True

    def left(self, sender: str, now_s: float) -> float:
        """Return how much of its budget the sender has left. Takes nothing."""
        bucket = self._buckets.get(sender_name(sender))
        if bucket is None and len(self._buckets) >= self._max_senders:
            bucket = self._buckets.get(OTHERS)
        return self.budget.burst if bucket is None else self._refilled(bucket, now_s)

    def wait_s(self, sender: str, now_s: float, amount: float = 1.0) -> float:
        """Return how long the sender must wait until ``amount`` is there; 0 when it is there now. Takes nothing."""
        return max(0.0, (amount - self.left(sender, now_s)) / self.budget.per_s)

    def refuse(self, sender: str, now_s: float, count: int = 1) -> None:
        """Count what the caller itself has refused, by a limit that is not a rate (a full queue)."""
        self.total += count
        sender = sender_name(sender)
        if sender not in self._refused and len(self._refused) >= self._max_senders:
            self._forget_quiet(now_s)
            if len(self._refused) >= self._max_senders:
                sender = OTHERS
        known = self._refused.get(sender)
        if known is None or now_s - known.last_s >= QUIET_S:
            known = self._refused[sender] = Refused(sender, self.name, 0, now_s, now_s)
        known.count += count
        known.last_s = now_s
        self._refused.move_to_end(sender)

    def refused(self, now_s: float) -> Iterator[Refused]:
        """Yield the senders that were refused something within the last :data:`QUIET_S`."""
        self._forget_quiet(now_s)
        yield from self._refused.values()

    def _bucket(self, sender: str, now_s: float) -> _Bucket:
        buckets = self._buckets
        bucket = buckets.get(sender)
        if bucket is None:
            if len(buckets) >= self._max_senders:
                self._forget_full(now_s)
            if len(buckets) >= self._max_senders:
                sender = OTHERS
            bucket = buckets.setdefault(sender, _Bucket(self.budget.burst, now_s))
        bucket.left = self._refilled(bucket, now_s)
        bucket.at_s = max(now_s, bucket.at_s)
        buckets.move_to_end(sender)
        return bucket

    def _refilled(self, bucket: _Bucket, now_s: float) -> float:
        return min(self.budget.burst, bucket.left + max(0.0, now_s - bucket.at_s) * self.budget.per_s)

    def _forget_full(self, now_s: float) -> None:
        # From the longest untouched on: the first that has not recovered ends the search, so that this stays cheap.
        while self._buckets:
            bucket = next(iter(self._buckets.values()))
            if self._refilled(bucket, now_s) < self.budget.burst:
                return
            self._buckets.popitem(last=False)

    def _forget_quiet(self, now_s: float) -> None:
        while self._refused and now_s - next(iter(self._refused.values())).last_s >= QUIET_S:
            self._refused.popitem(last=False)

    def __len__(self) -> int:
        """Return how many senders are remembered, for whatever reason."""
        return len(self._buckets.keys() | self._refused.keys())


def sender_name(sender: str) -> str:
    """Return a sender's name as it is kept and shown: printable, of at most :data:`LONGEST_NAME` characters.

    Long names that begin alike stay apart.
    """
    if len(sender) <= LONGEST_NAME and sender.isprintable():
        return sender
    digest = sha256(sender.encode(errors="backslashreplace")).hexdigest()[:8]
    printable = "".join(each if each.isprintable() else "?" for each in sender[: LONGEST_NAME - 9])
    return f"{printable}~{digest}"


class Quotas:
    """All quotas of one agent."""

    def __init__(self) -> None:
        """Begin without any."""
        self._by_name: dict[str, Quota] = {}

    def add(
        self,
        name: str,
        budget: Budget,
        things: str,
        consequence: str,
        *,
        max_senders: int = MAX_SENDERS,
        alarm_after: int = ALARM_AFTER,
    ) -> Quota:
        """Add a quota; see :class:`Quota`. Raises :class:`ValueError` when there is one of this name."""
        if name in self._by_name:
            raise ValueError(f"there is a quota {name!r} already")
        quota = self._by_name[name] = Quota(
            name, budget, things, consequence, max_senders=max_senders, alarm_after=alarm_after
        )
        return quota

    def __getitem__(self, name: str) -> Quota:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Quota]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def total(self) -> int:
        """How many times anyone was refused anything since the start."""
        return sum(quota.total for quota in self)

    def worst(self, now_s: float, most: int) -> list[Refused]:
        """Return the senders that were refused most often lately, at most ``most``, the worst first."""
        found = sorted(self._all_refused(now_s), key=lambda each: (-each.count, each.sender, each.quota))
        return found[:most]

    def exceeding(self, now_s: float) -> list[Refused]:
        """Return those that the alarm has to name, the worst first."""
        return [each for each in self.worst(now_s, MAX_SENDERS) if each.count >= self[each.quota].alarm_after]

    def _all_refused(self, now_s: float) -> Iterable[Refused]:
        for quota in self:
            yield from quota.refused(now_s)
