"""The telecom's case, played for months on a fast clock: `aios simulate`."""
