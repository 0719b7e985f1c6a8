"""Roles, schemas and backups in PostgreSQL."""
