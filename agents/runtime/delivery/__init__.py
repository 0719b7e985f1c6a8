"""The way of a message through an agent: to a lane, in its order, to a handler, or refused."""
