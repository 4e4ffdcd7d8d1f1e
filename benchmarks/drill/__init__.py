"""Drills: the running platform is broken on purpose, under load, and what it does about it is measured."""
