"""Revisions of the load balancer's database."""
