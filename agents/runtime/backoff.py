"""How long to wait before trying again."""

from random import Random


def full_jitter(random: Random, attempt: int, base_s: float, cap_s: float) -> float:
    """Return a delay drawn evenly from 0 to ``base_s · 2**attempt``, at most ``cap_s``, in seconds.

    ``attempt`` counts from 0. Everyone who lost the same broker draws another delay, so that they do not all come
    back in the same moment.
    """
    # 2**62 is beyond any cap and still far from overflowing a float.
    return random.uniform(0.0, min(cap_s, base_s * 2.0 ** min(attempt, 62)))
