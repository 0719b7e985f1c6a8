"""How many connections a process may hold: the kernel counts descriptors, and databases and brokers need some too."""

import contextlib

RESERVED = 32
"""Descriptors that no server gets: database, broker, event loop, log, and files that are open for a moment."""

ASSUMED = 1024
"""Limit where the kernel does not tell: the usual one. Also where there is none."""


def descriptor_limit() -> int:
    """Return how many descriptors this process may have, after raising that to what it is allowed to raise it to."""
    import resource

    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except OSError:  # A sandbox that forbids even the question.
        return ASSUMED
    if soft == resource.RLIM_INFINITY:
        return ASSUMED
    if hard == resource.RLIM_INFINITY or soft < hard:
        wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 65_536)
        # systemd's filter forbids it: there the unit has set the limit that is meant.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return soft


def share(limit: int, part: float, most: int) -> int:
    """Return how many connections a server may hold that gets ``part`` of what ``limit`` leaves, at most ``most``.

    At least 4: a server that takes no connection at all is of no use, and none of them waits for a descriptor.
    """
    return max(4, min(most, int((limit - RESERVED) * part)))
