"""Deliveries of other systems: whose they are, when they were sent, and which one it is."""
