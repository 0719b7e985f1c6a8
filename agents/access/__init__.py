"""Access: turns a presented card, or a car at a free charger, into ``authorize`` or ``refuse``."""
