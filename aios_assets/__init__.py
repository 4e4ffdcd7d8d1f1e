"""Dagster glue only: each asset reads, makes one pure call, writes, and says what it did in metadata."""
