"""What every TCP server of an agent shares: how many may connect, from where, under which names, for how long."""
