"""Revisions of the access agent's database."""
