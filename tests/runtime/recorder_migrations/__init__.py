"""Migrations of the recorder."""
