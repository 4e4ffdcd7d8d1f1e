"""The tamper-evident log: Merkle roots over what happened, chained by hash."""
