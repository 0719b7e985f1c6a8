"""Access: turns a presented card, or a car at a free charger, into ``authorize`` or ``refuse``."""

from agents.access.agent import Access

__all__ = ["Access"]
