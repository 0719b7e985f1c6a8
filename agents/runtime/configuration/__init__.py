"""``site.toml``: read, checked, explained."""
