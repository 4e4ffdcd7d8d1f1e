"""The seeded telecom world: pure functions from a seed to customers, tickets and what agents will do with them."""
