"""Replies to tickets: what they may be made of, how they are put together, and how they are verified."""
