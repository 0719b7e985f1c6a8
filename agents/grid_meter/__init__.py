"""Reads the site's grid meters and publishes what they measure."""
