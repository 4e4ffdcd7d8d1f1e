"""What a version's probabilities have to be corrected by before they promise anything: class shares that moved, and its own optimism.

What belongs here: learning the correction from a version's held-back rows, and applying it to a window of scores. What does not: the
estimate made of the corrected scores (`estimate.py`).

Where only the shares of the classes moved (prior shift), the new shares follow from the scores alone by expectation maximisation,
and each row's probabilities follow from the shares (Saerens, Latinne and Decaestecker 2002, "Adjusting the Outputs of a Classifier to
New a Priori Probabilities", Neural Computation 14). With few rows a class it can do harm, so a version's own held-back rows,
drawn again with other shares, decide whether it is used.

The version that decides was fitted on more rows than any fit that its calibration was measured on, and its confidence grows faster
than its accuracy. What held-back rows show of that is taken off, shrunk by its own noise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.estimate import distributions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STEPS = 200
SETTLED = 1e-6  # total change of the shares below which a step has changed nothing
LEAST_SHARE = 1e-9
MIN_HELD_BACK = 200
DRAWS, DRAWN_ROWS = 20, 1_000
MAX_ROWS = 20_000  # of a window: shares are then known to a third of a point


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is known of a version from its held-back rows.

    `shares` are the class shares that its probabilities take for granted. `follows_shares` says whether following moved shares made
    estimates better there. `overstated` is what its confidence exceeds its accuracy by, shrunk; `held_back` the rows it is from.
    """

    shares: Floats
    follows_shares: bool
    overstated: float
    held_back: int


def learn(probabilities: Floats, labels: Ints, *, classes: int, seed: int = 0) -> Correction | None:
    """From a version's held-back scores and what turned out (class numbers, -1: a class it has not). None from too few rows.

    Equal rows give an equal correction. Raises MonitorError for what is no distribution.
    """
    rows = distributions(probabilities, classes=classes)
    if len(rows) != len(labels):
        raise MonitorError(f"{len(rows)} held-back scores but {len(labels)} labels; the evaluation set is damaged")
    if len(rows) < MIN_HELD_BACK:
        return None
    return Correction(
        shares=np.maximum(rows.mean(axis=0), LEAST_SHARE),
        follows_shares=_helps(rows, labels, seed=seed),
        overstated=_overstated(rows, labels),
        held_back=len(rows),
    )


def shares_of(probabilities: Floats, *, taken_for_granted: Floats) -> Floats:
    """The class shares of a window of rows x classes, most likely by its scores."""
    shares = taken_for_granted
    for _ in range(STEPS):
        found = np.maximum(
            adapted(probabilities, shares, taken_for_granted=taken_for_granted).mean(axis=0), LEAST_SHARE
        )
        moved = float(np.abs(found - shares).sum())
        shares = found
        if moved < SETTLED:
            break
    return shares


def adapted(probabilities: Floats, shares: Floats, *, taken_for_granted: Floats) -> Floats:
    """The rows as they would be had the version known these shares."""
    weighted = probabilities * (shares / taken_for_granted)
    result: Floats = weighted / weighted.sum(axis=1, keepdims=True)
    return result


def corrected(probabilities: Floats, correction: Correction | None, *, window: Floats | None = None) -> Floats:
    """The rows as the estimate should read them; as they are without a correction, or where following shares did not help.

    `window` are the scores to learn the shares from, where that is more than these rows.
    """
    if correction is None or not correction.follows_shares or not len(probabilities):
        return probabilities
    from_rows = probabilities if window is None or not len(window) else window
    shares = shares_of(_thinned(from_rows), taken_for_granted=correction.shares)
    return adapted(probabilities, shares, taken_for_granted=correction.shares)


def _thinned(rows: Floats) -> Floats:
    """Evenly spaced rows, where there are more than the shares need."""
    return rows[:: -(-len(rows) // MAX_ROWS)]


def _overstated(rows: Floats, labels: Ints) -> float:
    gaps = rows.max(axis=1) - (rows.argmax(axis=1) == labels)
    gap, noise = float(gaps.mean()), float(gaps.var(ddof=1)) / len(gaps)
    return gap * gap * gap / (gap * gap + noise) if gap else 0.0


def _helps(rows: Floats, labels: Ints, *, seed: int) -> bool:
    """Whether following shares brings estimates nearer to the truth, on one half of the rows with shares taken from the other."""
    rng, as_is, followed = np.random.default_rng(seed), 0.0, 0.0
    classes = rows.shape[1]
    for _ in range(DRAWS):
        known = rng.random(len(rows)) < 0.5
        granted = np.maximum(rows[known].mean(axis=0), LEAST_SHARE)
        drawn = _drawn_again(labels, np.flatnonzero(~known), classes, rng)
        if not drawn.size:
            return False
        scores, chosen = rows[drawn], rows[drawn].argmax(axis=1)
        truth = float((chosen == labels[drawn]).mean())
        shares = shares_of(scores, taken_for_granted=granted)
        moved = adapted(scores, shares, taken_for_granted=granted)
        as_is += abs(float(scores.max(axis=1).mean()) - truth)
        followed += abs(float(moved[np.arange(len(drawn)), chosen].mean()) - truth)
    return followed < as_is


def _drawn_again(labels: Ints, rows: Ints, classes: int, rng: np.random.Generator) -> Ints:
    """Rows with other class shares: as far from the natural ones as a flat Dirichlet around them goes."""
    own = labels[rows]
    rows, own = rows[own >= 0], own[own >= 0]
    if not rows.size:
        return rows
    natural = np.bincount(own, minlength=classes) / len(own)
    shares = np.zeros(classes)
    shares[natural > 0] = rng.dirichlet(natural[natural > 0] * classes)
    chance = (shares / np.maximum(natural, LEAST_SHARE))[own]
    picked: Ints = rng.choice(rows, DRAWN_ROWS, p=chance / chance.sum())
    return picked
