"""Clients of external systems, a file or folder a vendor."""
