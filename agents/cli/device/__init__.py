"""A charger at a serial cable, and the images that go onto it."""
