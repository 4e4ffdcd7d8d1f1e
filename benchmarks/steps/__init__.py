"""One module a step: a `run(workspace)` that is called in a process of its own and says what it measured."""
