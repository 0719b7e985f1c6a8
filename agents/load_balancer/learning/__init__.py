"""What past sessions say of the one that has begun: how long it will stay, and how much energy it will take."""
