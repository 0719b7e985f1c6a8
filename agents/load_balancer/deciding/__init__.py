"""One step of the balancer: what is known and planned becomes what may be ordered, with a reason for each charger."""
