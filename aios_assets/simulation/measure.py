"""What a play comes to: remedies against what was planted, and people's hours, time, errors and money against triage by hand.

What belongs here: the arithmetic over what the stores gave back, pure. What does not: playing (`play.py`) and showing (`page.py`).

Both worlds have the same tickets, so resolution times are compared ticket by ticket. Errors are counted against the world's own truth,
which the platform never sees. A remedy is laid to the incident that was planted last before it, for `REACH_DAYS` from its onset; one
that lies outside is a false alarm.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from aios_assets.simulation.play import ByHand, Played
from aios_assets.simulation.story import BAD_LABELS, Planted
from aios_assets.simulation.world import Told
from aios_core.automation import Automation
from aios_core.decisions.model import EVERY_QUEUE
from resources.aliases import AliasMove
from resources.monitoring import Incident

REACH_DAYS = 35  # four weeks until the training window holds nothing from before, and one to judge
UNSETTLED_DAYS = 4  # tickets of the last days may still be open
REMEDIES = ("rollback", "narrow", "pause")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """One remedy as the platform chose it: `narrow` holds some queues, `pause` everything."""

    kind: str
    at: datetime
    queues: tuple[str, ...]
    reason: str
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of one planted incident. `onset` is when it began to do harm: for bad labels, the promotion of what learnt from them."""

    planted: Planted
    planted_at: datetime
    onset: datetime
    promoted: int | None
    remedies: tuple[Acted, ...]
    recovered_at: datetime | None

    @property
    def flagged(self) -> bool:
        return bool(self.remedies)

    @property
    def answered_right(self) -> bool:
        return any(r.kind == self.planted.right for r in self.remedies)

    @property
    def wrong(self) -> int:
        return sum(r.kind != self.planted.right for r in self.remedies)

    @property
    def days_to_flag(self) -> float | None:
        if not self.remedies:
            return None
        return max(0.0, (self.remedies[0].at - self.onset) / timedelta(days=1))


def acted(incidents: Iterable[Incident]) -> list[Acted]:
    """Remedies in their order; the queues of one narrowing are one remedy."""
    rows: dict[tuple[str, Any], list[Incident]] = {}
    for incident in sorted(incidents, key=lambda i: (i.opened_at, i.incident_id)):
        together = incident.assessment_id if incident.remedy != "rollback" else None
        rows.setdefault((incident.remedy, together or incident.incident_id), []).append(incident)
    return [_acted(group) for group in rows.values()]


def _acted(group: Sequence[Incident]) -> Acted:
    first = group[0]
    queues = tuple(sorted({i.queue or EVERY_QUEUE for i in group})) if first.remedy != "rollback" else ()
    kind = first.remedy if first.remedy == "rollback" else "pause" if EVERY_QUEUE in queues else "narrow"
    closed = [i.closed_at for i in group]
    return Acted(
        kind=kind,
        at=first.opened_at,
        queues=queues,
        reason=first.reason,
        closed_at=None if None in closed else max(c for c in closed if c),
    )


def answered(
    planted: Sequence[Planted], remedies: Sequence[Acted], moves: Sequence[AliasMove], *, day_zero: datetime
) -> tuple[list[Answered], list[Acted]]:
    """Each planted incident with its remedies, and the remedies that answer nothing."""
    found, left = [], list(remedies)
    for number, item in enumerate(planted):
        at = day_zero + timedelta(days=item.day)
        following = [day_zero + timedelta(days=p.day) for p in planted[number + 1 :]]
        promotion = _promotion(moves, after=at) if item.kind == BAD_LABELS else None
        onset = promotion.moved_at if promotion else at
        until = min([onset + timedelta(days=REACH_DAYS), *following])
        own = [r for r in left if at <= r.at < until]
        left = [r for r in left if r not in own]
        found.append(
            Answered(
                planted=item,
                planted_at=at,
                onset=onset,
                promoted=promotion.version if promotion else None,
                remedies=tuple(own),
                recovered_at=_recovered(own),
            )
        )
    return found, left


def _promotion(moves: Sequence[AliasMove], *, after: datetime) -> AliasMove | None:
    """The first promotion after a moment."""
    later = [m for m in moves if m.alias == "champion" and m.moved_at > after and m.version is not None]
    return min(later, key=lambda m: m.move_id, default=None)


def _recovered(remedies: Sequence[Acted]) -> datetime | None:
    """When nothing was held any more; of a rollback, when it was done."""
    if not remedies:
        return None
    ends = [r.at if r.kind == "rollback" else r.closed_at for r in remedies]
    return None if None in ends else max(end for end in ends if end is not None)


def result(played: Played, hand: ByHand, *, day_zero: datetime, seconds: float) -> dict[str, Any]:
    """The figures of one play; its keys are stable."""
    found, false_alarms = answered(played.story.planted, acted(played.incidents), played.moves, day_zero=day_zero)
    remedies = [r for a in found for r in a.remedies] + false_alarms
    taken = [a.days_to_flag for a in found if a.days_to_flag is not None]
    ours, theirs = _worth(played), _by_hand(hand, played.automation)
    return {
        "seed": played.story.seed,
        "days": played.story.days,
        "tickets": ours["tickets"],
        "incidents_planted": len(found),
        "incidents_flagged": sum(a.flagged for a in found),
        "answered_right": sum(a.answered_right for a in found),
        "remedies": {kind: sum(r.kind == kind for r in remedies) for kind in REMEDIES},
        "wrong_remedies": sum(a.wrong for a in found),
        "false_alarms": len(false_alarms),
        "days_to_flag": {
            "p50": round(statistics.median(taken), 2) if taken else None,
            "max": round(max(taken), 2) if taken else None,
        },
        "manual_hours_saved_share": _saved(ours["hours"], theirs["hours"]),
        "resolution_time_saved_share": _sooner(played.truth, hand.truth, _counted(played)),
        "automated_share": ours["automated_share"],
        "automated_error_rate": ours["automated_error_rate"],
        "cost_per_decision": ours["cost"],
        "manual_hours": ours["hours"],
        "resolution_hours": _hours(played.truth, _counted(played)),
        "baseline": {
            "manual_hours": theirs["hours"],
            "resolution_hours": _hours(hand.truth, _counted(played)),
            "error_rate": theirs["error_rate"],
            "cost_per_decision": theirs["cost"],
        },
        "lost": played.lost,
        "duplicated": played.duplicated,
        "seconds": round(seconds, 1),
    }


def _worth(played: Played) -> dict[str, Any]:
    """What the decisions cost. An error costs what the declaration says, which includes triaging it by hand after all."""
    automation, rows = played.automation, played.decisions
    verdicts, wrong = rows["verdict"], _wrong(rows, played.truth)
    automated = verdicts == "automate"
    share = automated.mean() if len(rows) else None
    errors = int((wrong & automated).sum())
    # who reviews or confirms a draft errs now and then, as who triages by hand does
    by_people = sum(played.truth[t].queue != queue for t, queue in played.routed.items() if t in played.truth)
    minutes = played.desk_minutes + errors * automation.value.minutes_manual
    labour, costs = automation.value.hourly_cost / 60, automation.decisions.costs
    money = played.desk_minutes * labour + (errors + by_people) * costs.wrong_automation
    return {
        "tickets": len(rows),
        "hours": round(minutes / 60, 1),
        "automated_share": None if share is None else round(float(share), 4),
        "automated_error_rate": round(errors / int(automated.sum()), 4) if automated.any() else None,
        "cost": round(money / len(rows), 3) if len(rows) else None,
    }


def _wrong(rows: Any, truth: Mapping[str, Told]) -> Any:
    right = rows["ticket_id"].map({ticket: told.queue for ticket, told in truth.items()})
    return rows["queue"] != right


def _by_hand(hand: ByHand, automation: Automation) -> dict[str, Any]:
    wrong = sum(hand.truth[ticket].queue != queue for ticket, queue in hand.routed.items())
    tickets = len(hand.routed)
    money = hand.desk_minutes * automation.value.hourly_cost / 60 + wrong * automation.decisions.costs.wrong_automation
    return {
        "hours": round(hand.desk_minutes / 60, 1),
        "error_rate": round(wrong / tickets, 4) if tickets else None,
        "cost": round(money / tickets, 3) if tickets else None,
    }


def _counted(played: Played) -> set[str]:
    """Decided tickets that had time enough to be resolved."""
    last = played.days[-1].day - timedelta(days=UNSETTLED_DAYS)
    rows = played.decisions
    return set(rows[rows["day"] <= last]["ticket_id"])


def _taken(truth: Mapping[str, Told], tickets: Iterable[str]) -> dict[str, float]:
    """Hours from creation to the first resolution."""
    return {
        ticket: (told.resolved_at - told.created_at) / 3_600
        for ticket in tickets
        if (told := truth.get(ticket)) is not None and told.resolved_at
    }


def _hours(truth: Mapping[str, Told], tickets: set[str]) -> dict[str, float | None]:
    taken = list(_taken(truth, tickets).values())
    if not taken:
        return {"mean": None, "p50": None}
    return {"mean": round(statistics.fmean(taken), 2), "p50": round(statistics.median(taken), 2)}


def _sooner(ours: Mapping[str, Told], theirs: Mapping[str, Told], tickets: set[str]) -> float | None:
    """Share of the mean resolution time saved, over tickets that both worlds have resolved."""
    mine, other = _taken(ours, tickets), _taken(theirs, tickets)
    both = mine.keys() & other.keys()
    return _saved(sum(mine[t] for t in both), sum(other[t] for t in both))


def _saved(ours: float, theirs: float) -> float | None:
    return round(1 - ours / theirs, 4) if theirs else None


def over_seeds(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every number as its mean over the seeds; counts as sums. `intervals` are Student's 95 % intervals of the means."""
    summed = {
        "incidents_planted", "incidents_flagged", "answered_right", "wrong_remedies", "false_alarms", "lost", "duplicated",
    }  # fmt: skip
    first = results[0]
    if len(results) == 1:
        return {**first, "seeds": 1, "intervals": {}}
    told: dict[str, Any] = {"seeds": len(results)}
    intervals: dict[str, Any] = {}
    for name, value in first.items():
        values = [r[name] for r in results]
        if name in ("seed", "incidents"):  # each play's own
            continue
        if name == "days_to_flag":
            known = [v for v in (r["p50"] for r in values) if v is not None]
            most = [v for v in (r["max"] for r in values) if v is not None]
            told[name] = {"p50": statistics.median(known) if known else None, "max": max(most, default=None)}
        elif name == "remedies":
            told[name] = {kind: sum(v[kind] for v in values) for kind in value}
        elif isinstance(value, Mapping):
            told[name], intervals[name] = _nested(values)
        elif name in summed:
            told[name] = sum(values)
        else:
            told[name], intervals[name] = _mean(values)
    return {**told, "intervals": intervals}


def _nested(values: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    means: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for key, value in values[0].items():
        column = [v[key] for v in values]
        means[key], intervals[key] = _nested(column) if isinstance(value, Mapping) else _mean(column)
    return means, intervals


def _mean(values: Sequence[float | None]) -> tuple[float | None, tuple[float, float] | None]:
    known = [v for v in values if v is not None]
    if not known:
        return None, None
    mean = statistics.fmean(known)
    if len(known) < 2:
        return round(mean, 4), None
    from scipy.stats import t  # heavy, and only asked for over several seeds

    half = float(t.ppf(0.975, len(known) - 1)) * statistics.stdev(known) / math.sqrt(len(known))
    return round(mean, 4), (round(mean - half, 4), round(mean + half, 4))


def as_json(found: Answered) -> dict[str, Any]:
    """One incident's story, for the page and for `--json`."""
    return {
        "kind": found.planted.kind,
        "right_remedy": found.planted.right,
        "told": found.planted.told,
        "planted_at": found.planted_at.isoformat(),
        "onset": found.onset.isoformat(),
        "promoted": found.promoted,
        "days_to_flag": None if found.days_to_flag is None else round(found.days_to_flag, 2),
        "remedies": [
            {**asdict(r), "at": r.at.isoformat(), "closed_at": r.closed_at and r.closed_at.isoformat()}
            for r in found.remedies
        ],
        "answered_right": found.answered_right,
        "recovered_at": found.recovered_at and found.recovered_at.isoformat(),
    }
