"""The `aios` command."""
