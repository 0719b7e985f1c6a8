"""Revisions of the ledger's database."""
