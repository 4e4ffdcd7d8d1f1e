"""Connections to the world: plain clients, used by Dagster and by the gateway alike."""
