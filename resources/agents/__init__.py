"""Bounded agents over the real world: the runtime, the tools, one case from end to end, and its transcript."""
