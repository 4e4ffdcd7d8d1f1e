"""Whether a draft may go on: every sentence against what it cites."""
