"""A million waiting cases, and the people who decide them through the console."""
