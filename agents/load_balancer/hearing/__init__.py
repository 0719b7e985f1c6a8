"""What the bus tells the balancer."""
