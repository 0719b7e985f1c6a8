"""The plan: who charges at how many amperes, found for the values of ``allocation``."""
