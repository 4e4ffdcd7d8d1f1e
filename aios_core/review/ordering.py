"""Which case first: the one where a person's minute is worth most.

What belongs here: the priority of one case. What does not: grouping into batches (`batching.py`).
"""


def priority(*, confidence: float | None, runner_up: float | None, wrong_cost: float) -> float:
    """Expected cost of error x uncertainty, at least 0; higher comes first.

    The expected cost is (1 - p) * `wrong_cost`, with p the calibrated probability of the predicted queue. Uncertainty is
    1 - (p - runner-up's p), the complement of the margin: it tells a coin-flip between two queues from one likely queue
    among many unlikely ones. A case without a score is as uncertain as can be.
    """
    p = _share(confidence)
    second = min(_share(runner_up), p)
    return (1.0 - p) * max(wrong_cost, 0.0) * (1.0 - (p - second))


def _share(value: float | None) -> float:
    if value is None or value != value:  # noqa: PLR0124  # NaN differs from itself
        return 0.0
    return min(max(value, 0.0), 1.0)
