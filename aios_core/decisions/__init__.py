"""Scores and policy become decisions, and decisions can be replayed."""
