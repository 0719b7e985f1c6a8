"""``prepare``: the folder of a site, for ``deploy/``."""
