"""Which worlds a run of the tests tries: other ones with every commit, the same ones for the same commit."""

import os

PARTS = 6
"""Into so many tests the worlds of a run are divided, for as many processes as there are."""


def seeds_of_this_run(first: int, count: int, part: int) -> range:
    """Return one part of ``count`` seeds from ``first`` on, moved by as many for each step of ``CHARGEBUS_SEED``.

    ``tests/run.sh`` derives that from the commit and prints it; without it the seeds begin at ``first``.
    ``CHARGEBUS_WORLDS`` multiplies how many there are.
    """
    count *= int(os.environ.get("CHARGEBUS_WORLDS", "1"))
    begin = first + int(os.environ.get("CHARGEBUS_SEED", "0")) * count
    return range(begin + part, begin + count, PARTS)
