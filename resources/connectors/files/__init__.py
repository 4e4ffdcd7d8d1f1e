"""Tickets and customers from files: CSV, JSON Lines and Parquet, plain or compressed."""
