"""The ledger: commits session events, acknowledges them, answers queries and publishes session records."""

from agents.ledger.agent import Ledger

__all__ = ["Ledger"]
