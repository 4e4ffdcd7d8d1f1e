"""The life of a model version: states by alias, guarded moves, routing of the canary, and comparison of two versions."""
