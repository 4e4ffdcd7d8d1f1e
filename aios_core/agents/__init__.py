"""Bounded agents: what they may spend, which tools they have, what they may propose, and what follows from it."""
