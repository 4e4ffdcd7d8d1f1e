"""Robots: Robot Framework tasks that work systems without an API."""
