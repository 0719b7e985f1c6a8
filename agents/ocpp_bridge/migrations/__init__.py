"""Revisions of the bridge's database."""
