"""What is true, without any I/O: pure functions over frozen dataclasses and Arrow tables."""
