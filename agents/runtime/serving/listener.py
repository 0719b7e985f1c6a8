"""A listening socket that takes no more connections than there is room for, whatever serves them.

asyncio accepts until the process has no descriptor left. Then it writes a traceback for each attempt, a hundred a
second, and what the process really needs, such as its database, cannot be opened either. This one counts: a connection
too many is closed at once, so that its peer knows and waits for none of its own timeouts.
"""

import contextlib
import errno
import os
import socket
from collections import Counter
from collections.abc import Callable

Address = tuple[str, int]
"""Host and port of a peer."""

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)

MOST_REFUSED_AT_ONCE = 100
"""So many connections too many are closed before the event loop does something else."""

_IPV6_NETWORK_GROUPS = 4
"""A network of IPv6 (/64) is one peer: whoever has one of its addresses has them all."""


class _Accepted(socket.socket):
    """A connection that says when it is closed."""

    closed: Callable[[], None] | None = None

    def close(self) -> None:
        super().close()
        closed, self.closed = self.closed, None
        if closed is not None:
            closed()


class BoundedListener(socket.socket):
    """Listens on TCP. To be given to an event loop, which calls :meth:`accept`."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        most: int,
        most_of_one: int,
        refused: Callable[[str, str], None] = lambda _host, _why: None,
    ) -> None:
        """Bind to ``host`` and ``port``. Raises :class:`OSError`.

        At most ``most`` connections are open at the same time, and at most ``most_of_one`` of one peer's have not been
        named in :meth:`settled`. ``refused`` is told of each one that was closed: the peer's host and why.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__(family, socket.SOCK_STREAM)
        self._most, self._most_of_one, self._refused = most, most_of_one, refused
        self._open = 0
        self._unsettled: Counter[str] = Counter()
        self._settled: set[Address] = set()
        self._spare = -1
        try:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.bind((host, port))
            self._spare = os.open(os.devnull, os.O_RDONLY)
        except OSError:
            self.close()
            raise

    @property
    def count(self) -> int:
        """How many connections are open."""
        return self._open

    @property
    def full(self) -> bool:
        """Whether the next one would be closed."""
        return self._open >= self._most

    def accept(self) -> tuple[socket.socket, Address]:
        """Return the next connection that there is room for. Raises :class:`BlockingIOError` if there is none."""
        for _ in range(MOST_REFUSED_AT_ONCE):
            try:
                inner, address = super().accept()
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR or not self._refuse_without_descriptor():
                    raise
                continue
            peer = _network(address[0])
            why = None
            if self._open >= self._most:
                why = f"{self._most} connections are open"
            elif self._unsettled[peer] >= self._most_of_one:
                why = f"{self._most_of_one} connections of this peer wait"
            if why is not None:
                inner.close()
                self._refused(address[0], why)
                continue
            return self._taken(inner, address[:2], peer), address
        raise BlockingIOError

    def settled(self, address: Address) -> None:
        """Count a connection no longer against its peer: it has shown who it is."""
        peer = _network(address[0])
        if address not in self._settled and self._unsettled[peer]:
            self._settled.add(address)
            self._leave(peer)

    def close(self) -> None:
        """Stop listening."""
        super().close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def _taken(self, inner: socket.socket, address: Address, peer: str) -> socket.socket:
        connection = _Accepted(fileno=inner.detach())
        self._open += 1
        self._unsettled[peer] += 1

        def closed() -> None:
            self._open -= 1
            if address in self._settled:
                self._settled.discard(address)
            else:
                self._leave(peer)

        connection.closed = closed
        return connection

    def _leave(self, peer: str) -> None:
        self._unsettled[peer] -= 1
        if self._unsettled[peer] <= 0:
            del self._unsettled[peer]

    def _refuse_without_descriptor(self) -> bool:
        """Close what waits by means of the descriptor that is kept for this; False if there is none."""
        if self._spare < 0:
            return False
        os.close(self._spare)
        self._spare = -1
        try:
            with contextlib.suppress(OSError):
                inner, address = super().accept()
                inner.close()
                self._refused(address[0], "the process has no descriptor left")
        finally:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)
        return True


def _network(host: str) -> str:
    if ":" not in host or host.startswith("::ffff:"):
        return host
    groups = socket.inet_pton(socket.AF_INET6, host.split("%", 1)[0])[: 2 * _IPV6_NETWORK_GROUPS]
    return groups.hex()
