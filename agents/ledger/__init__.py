"""The ledger: commits session events, acknowledges them, answers queries and publishes session records."""
