"""Whether the version in a stage moves on, is withdrawn, or waits for more evidence.

What belongs here: the rules, as one pure function over counts. What does not: gathering the counts (`resources/stages.py`) and
moving aliases (`resources/gatekeeper.py`).

The reasoning, in the order it is gone through:

1. **Withdraw** what is proven worse than the champion on the same tickets: behind by two points, and the sign test over the
   tickets that one alone gets right leaves chance at most 1%. A canary is withdrawn as well where its own automated decisions are
   proven below `monitoring.min_accuracy`. Neither waits for the declared evidence: a bad version must be left at once.
2. **Withdraw** where a guard that is asked again (latency, fairness over what turned out) fails by now.
3. **Wait** while an incident is open that the version can't answer, and while another version holds the next stage.
4. **Wait** until the declared hours and tickets are in. After `give_up_days` without them it is withdrawn: a version that waits
   for ever keeps the next one out.
5. **Wait** while it is behind by more than two points and that is not proven either way, with the same patience.
6. **Advance** otherwise. On the direct path a person has put it into the stage, and a person moves it on: there it only
   waits, or is withdrawn for being worse.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from aios_core.automation import Lifecycle, Monitoring
from aios_core.lifecycle.gate import WORSE_BY, Guard
from aios_core.lifecycle.states import NEXT, SHADOW
from aios_core.monitoring.evidence import Tally
from aios_core.monitoring.intervals import sign_test
from aios_core.monitoring.verdict import CHANCE, MIN_PART_OUTCOMES, unfit

Kind = Literal["wait", "advance", "withdraw"]
INCIDENTS = "incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of the version in a stage since it, or the champion beside it, came there.

    `tickets` were scored by the shadow or decided by the canary. `settled` of them have an outcome that neither version was
    trained on; `version_only` and `champion_only` count those that one alone gets right. `automated` are a canary's own
    decisions of that verdict. `reverdicted` is how many of `tickets` would get another verdict from the champion.
    """

    stage: str
    version: int
    champion: int | None
    since: datetime
    tickets: int = 0
    settled: int = 0
    version_only: int = 0
    champion_only: int = 0
    reverdicted: int | None = None
    automated: Tally = field(default_factory=Tally)
    guards: tuple[Guard, ...] = ()
    next_taken_by: int | None = None

    def as_json(self) -> dict[str, Any]:
        """What the history keeps of it."""
        return asdict(self) | {"since": self.since.isoformat(), "guards": {g.name: g.told for g in self.guards}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What follows. `to` is the alias that an advancing version takes."""

    kind: Kind
    reason: str
    to: str | None = None


def advance(progress: Progress, *, lifecycle: Lifecycle, monitoring: Monitoring, now: datetime) -> Advance:
    """The verdict, with the reasoning of this module's docstring."""
    worse = _proven_worse(progress, monitoring)
    if worse:
        return Advance(kind="withdraw", reason=worse)
    failed = [g for g in progress.guards if not g.holds]
    lasting = [g.told for g in failed if g.name != INCIDENTS]
    if lasting:
        return Advance(kind="withdraw", reason="; ".join(lasting))
    if failed:
        return Advance(kind="wait", reason="; ".join(g.told for g in failed))
    if progress.next_taken_by is not None:
        return Advance(
            kind="wait", reason=f"version {progress.next_taken_by} is the {NEXT[progress.stage]} still: one at a time"
        )
    missing, by_hand = _missing(progress, lifecycle, now), lifecycle.path == "direct"
    if missing:
        if by_hand or now < progress.since + timedelta(days=lifecycle.give_up_days):
            return Advance(kind="wait", reason=missing)
        return Advance(kind="withdraw", reason=f"after {lifecycle.give_up_days:g} days {missing}")
    if by_hand:
        return Advance(kind="wait", reason=f"{_told(progress)}; the declared path is direct, so a person promotes it")
    return Advance(kind="advance", to=NEXT[progress.stage], reason=_told(progress))


def due(*, stage: str, tickets: int, since: datetime, lifecycle: Lifecycle, now: datetime) -> bool:
    """Whether it is worth looking closely: any settled ticket may tell, so a shadow or canary with tickets is always due.

    A stage without a single ticket is due once its patience is over.
    """
    patience = now >= since + timedelta(days=lifecycle.give_up_days)
    least = lifecycle.shadow_min_rows if stage == SHADOW else lifecycle.canary_min_outcomes
    return tickets > 0 or least == 0 or patience


def _proven_worse(progress: Progress, monitoring: Monitoring) -> str | None:
    behind = progress.champion_only - progress.version_only
    if behind > 0 and behind >= WORSE_BY * progress.settled:
        chance = sign_test(progress.champion_only, progress.version_only)
        if chance <= CHANCE:
            return (
                f"version {progress.version} is worse than the champion {progress.champion} on the same {progress.settled} settled "
                f"tickets: it alone is right on {progress.version_only}, the champion alone on {progress.champion_only} "
                f"(by chance: {chance:.2g})"
            )
    if progress.automated.rows >= MIN_PART_OUTCOMES and unfit(progress.automated, limits=monitoring):
        return (
            f"of the {progress.automated.rows} settled tickets that version {progress.version} automated as {progress.stage}, "
            f"{progress.automated.correct} were right: proven below {monitoring.min_accuracy:.0%}"
        )
    return None


def _missing(progress: Progress, lifecycle: Lifecycle, now: datetime) -> str | None:
    """What is still wanted, in words; None where all is in."""
    if progress.stage == SHADOW:
        have, want, hours, what = progress.tickets, lifecycle.shadow_min_rows, lifecycle.shadow_min_hours, "scored"
    else:
        have, want, hours = progress.settled, lifecycle.canary_min_outcomes, lifecycle.canary_min_hours
        what = "settled"
    wanted = []
    if have < want:
        wanted.append(f"{have} of {want} tickets are {what}")
    if now < progress.since + timedelta(hours=hours):
        wanted.append(f"{(now - progress.since) / timedelta(hours=1):.1f} of {hours:g} hours have passed")
    behind = progress.champion_only - progress.version_only
    if not wanted and progress.settled >= lifecycle.canary_min_outcomes and behind > WORSE_BY * progress.settled:
        wanted.append(
            f"it is behind the champion on {behind} of {progress.settled} settled tickets, which may be chance"
        )
    return "; ".join(wanted) or None


def _told(progress: Progress) -> str:
    if progress.stage == SHADOW:
        seen = f"version {progress.version} scored {progress.tickets} tickets beside version {progress.champion}"
    else:
        seen = f"version {progress.version} decided {progress.tickets} tickets as canary"
    if not progress.settled:
        return f"{seen}; no outcome of them is known yet"
    return (
        f"{seen}; of {progress.settled} settled ones it alone is right on {progress.version_only}, "
        f"the champion alone on {progress.champion_only}"
    )
