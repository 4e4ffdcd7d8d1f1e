"""Receivers of events: one module a kind."""
