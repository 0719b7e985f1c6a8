"""The safety layer: what may be granted now, and what is kept of it from one life of the balancer to the next."""
