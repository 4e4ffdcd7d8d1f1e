"""Benchmarks: how fast the stages are and how much memory they take, measured with one command and written as JSON."""
