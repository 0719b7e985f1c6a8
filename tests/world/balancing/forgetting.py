"""What one life of the balancer must not forget of another: the safety layer without that, for :mod:`mutations`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from agents.load_balancer.granting.outstanding import Step
from agents.load_balancer.granting.safety import Safety

SHORT_S = 60.0
"""What a grant counts at most in a life with the shortest lease."""


def ends_are_those_of_the_new_settings() -> AbstractContextManager[Any]:
    """Grants of an earlier life count as if they had been given with this life's lease."""
    recall = Safety.recall

    def short(self: Safety, outstanding: Mapping[str, Sequence[Step]], now_s: float) -> None:
        cut = {
            name: [replace(step, life_s=min(step.life_s, SHORT_S)) for step in steps]
            for name, steps in outstanding.items()
        }
        recall(self, cut, now_s)

    return patch.object(Safety, "recall", short)


def who_is_moved_or_taken_out_is_forgotten() -> AbstractContextManager[Any]:
    """A grant counts only where its charger hangs by the new settings."""
    return patch.object(Safety, "used_elsewhere", lambda self, now_s: [0.0] * len(self.site.rows))
