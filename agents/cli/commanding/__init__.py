"""Commands to a charger, and what it answers."""
