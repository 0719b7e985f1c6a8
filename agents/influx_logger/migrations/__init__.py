"""Revisions of the logger's spool."""
