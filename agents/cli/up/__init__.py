"""``up``: a whole site on this machine."""
