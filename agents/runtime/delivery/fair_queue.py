"""A queue in which no sender's messages hold up another's: senders in turn, each sender's messages in order."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

SHARE = 64
"""Messages that one sender may have in a batch: three times what a charger has unacknowledged at most."""


class FairQueue(Generic[T]):
    """Items by sender; taking one gives the next sender its turn."""

    def __init__(self) -> None:
        """Begin empty."""
        self._by_sender: OrderedDict[str, deque[T]] = OrderedDict()
        """Senders with something waiting, the one whose turn it is first."""
        self._count = 0

    def put(self, sender: str, item: T) -> None:
        """Add an item behind the sender's own."""
        waiting = self._by_sender.get(sender)
        if waiting is None:
            self._by_sender[sender] = deque((item,))
        else:
            waiting.append(item)
        self._count += 1

    def popleft(self) -> T:
        """Remove and return the next item. Raises :class:`IndexError` when there is none."""
        if not self._by_sender:
            raise IndexError("the queue is empty")
        sender, waiting = next(iter(self._by_sender.items()))
        item = waiting.popleft()
        self._count -= 1
        if waiting:
            self._by_sender.move_to_end(sender)
        else:
            del self._by_sender[sender]
        return item

    def first(self) -> T:
        """Return the next item without removing it. Raises :class:`IndexError` when there is none."""
        if not self._by_sender:
            raise IndexError("the queue is empty")
        return next(iter(self._by_sender.values()))[0]

    def batch_size(self, most: int) -> int:
        """Return how many items make a batch in which no sender has more than :data:`SHARE`, at most ``most``."""
        size = 0
        for waiting in self._by_sender.values():
            size += min(len(waiting), SHARE)
            if size >= most:
                return most
        return size

    def oldest_of_each(self) -> Iterator[T]:
        """Yield each sender's first item."""
        return (waiting[0] for waiting in self._by_sender.values())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """Yield all items, sender by sender."""
        return (item for waiting in self._by_sender.values() for item in waiting)
