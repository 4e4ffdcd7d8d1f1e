"""Which case first: the one where a person's minute is worth most.

What belongs here: the priority of one case. What does not: grouping into batches (`batching.py`).

Cases of the random audit slice are cases that the model is mostly sure of: by their own priority they would come last, and whoever decides would
know them. They get a place by lot instead.
"""

import hashlib
from collections.abc import Sequence


def priority(*, confidence: float | None, runner_up: float | None, wrong_cost: float) -> float:
    """Expected cost of error x uncertainty, at least 0; higher comes first.

    The expected cost is (1 - p) * `wrong_cost`, with p the calibrated probability of the predicted queue. Uncertainty is
    1 - (p - runner-up's p), the complement of the margin: it tells a coin-flip between two queues from one likely queue
    among many unlikely ones. A case without a score is as uncertain as can be.
    """
    p = _share(confidence)
    second = min(_share(runner_up), p)
    return (1.0 - p) * max(wrong_cost, 0.0) * (1.0 - (p - second))


def drawn_priorities(others: Sequence[float], audit: Sequence[str]) -> dict[str, float]:
    """Case id -> a priority that puts it at any place among the `others`, each with the same chance; the same for ever.

    Two of them may draw one place: then their ids order them, as they order all equals.
    """
    ranked = sorted(others, reverse=True)
    bounds = [ranked[0] * 1.5 + 1e-9, *ranked, 0.0] if ranked else [0.0, 0.0]
    found = {}
    for case_id in audit:
        lot = int.from_bytes(hashlib.sha256(f"audit place\x1f{case_id}".encode()).digest()[:8])
        place = lot % (len(ranked) + 1)
        found[case_id] = (bounds[place] + bounds[place + 1]) / 2
    return found


def _share(value: float | None) -> float:
    if value is None or value != value:  # noqa: PLR0124  # NaN differs from itself
        return 0.0
    return min(max(value, 0.0), 1.0)
