"""The report of a play as one HTML page that needs nothing else: figures, the incidents' stories, weeks, and the assumptions.

What belongs here: words and their places. What does not: numbers (`measure.py`) and pictures (`pictures.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from aios_assets.simulation import pictures, series
from aios_assets.simulation.measure import REACH_DAYS, Acted, Answered
from aios_assets.simulation.platform import DECLARED
from aios_assets.simulation.play import ByHand, Played
from aios_assets.simulation.story import BAD_LABELS
from aios_core.automation import Automation

TEMPLATE = Path(__file__).with_name("page.html")
RIGHT = {
    "rollback": "roll the model back",
    "narrow": "narrow automation to the queues that are well, retrain and promote",
    "pause": "pause automation and retrain",
}


def page(
    told: Mapping[str, Any], played: Played, hand: ByHand, found: Sequence[Answered], false_alarms: Sequence[Acted]
) -> str:
    """The page; `told` is the result, over one seed or several, and the story is that of the first."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=_title(played),
        lead=_lead(told, played),
        figures=_figures(told, played.automation),
        incidents=[_incident(a) for a in found],
        false_alarms=[_remedy(r) for r in false_alarms],
        pictures=_pictures(played, hand, found, told),
        beside=_beside(told, played.automation),
        story=played.story,
        value=played.automation.value,
        wrong_automation=played.automation.decisions.costs.wrong_automation,
        changed=_flat(DECLARED),
        reach_days=REACH_DAYS,
    )


def _title(played: Played) -> str:
    months = round(played.story.days / 30.4)
    length = f"{months} months" if months > 1 else f"{played.story.days} days"
    return f"A telecom's triage, played for {length}"


def _lead(told: Mapping[str, Any], played: Played) -> str:
    seeds = told.get("seeds", 1)
    many = (
        f" Figures are means over {seeds} seeds, with 95 % intervals; the story is that of seed {played.story.seed}."
        if seeds > 1
        else ""
    )
    return (
        f"{played.story.days} days of a seeded world with about {played.story.tickets} tickets a day, through the real ingestion, models, "
        "decisions, review, monitors and remedies, on a fast clock; and the same world once more, where people triage every "
        f"ticket. Nobody tells the platform what was planted.{many}"
    )


def _figures(told: Mapping[str, Any], automation: Automation) -> list[dict[str, str]]:
    intervals, currency = told.get("intervals", {}), automation.value.currency
    flagged = told["days_to_flag"]

    def share(name: str, label: str, note: str) -> dict[str, str]:
        return {"value": _percent(told[name]), "name": label, "note": _interval(intervals.get(name)) or note}

    return [
        share("manual_hours_saved_share", "less manual triage time", "against triage by hand"),
        share("resolution_time_saved_share", "sooner resolved", "mean, the same tickets"),
        share("automated_share", "of tickets automated", "no person before the agent"),
        share("automated_error_rate", "of these in a wrong queue", "errors that reach customers"),
        {
            "value": f"{_number(told['cost_per_decision'])} {currency}",
            "name": "a decision",
            "note": f"by hand {_number(told['baseline']['cost_per_decision'])} {currency}",
        },
        {
            "value": f"{told['answered_right']} of {told['incidents_planted']}",
            "name": "incidents with the right remedy",
            "note": f"{told['incidents_flagged']} flagged, {told['wrong_remedies']} wrong remedies, {told['false_alarms']} false alarms",
        },
        {
            "value": "-" if flagged["p50"] is None else f"{flagged['p50']:.1f}",
            "name": "days to flag",
            "note": "median" if flagged["max"] is None else f"median; at most {flagged['max']:.1f}",
        },
    ]


def _incident(answered: Answered) -> dict[str, Any]:
    return {
        "told": answered.planted.told,
        "planted": _day(answered.planted_at),
        "harm": _harm(answered),
        "right": RIGHT[answered.planted.right],
        "ok": answered.answered_right,
        "remedies": [_remedy(r) for r in answered.remedies],
        "end": ""
        if answered.recovered_at is None
        else f"Nothing was held any more from {_moment(answered.recovered_at)} on.",
    }


def _harm(answered: Answered) -> str:
    if answered.planted.kind != BAD_LABELS:
        return ""
    if answered.promoted is None:
        return "No version that learnt from it was promoted: the gate stopped it."
    return f"Version {answered.promoted}, which learnt from it, passed the gate and was promoted {_moment(answered.onset)}."


def _remedy(remedy: Acted) -> dict[str, str]:
    return {
        "at": _moment(remedy.at),
        "kind": remedy.kind,
        "queues": ", ".join(remedy.queues) if remedy.kind == "narrow" else "",
        "reason": remedy.reason,
    }


def _pictures(played: Played, hand: ByHand, found: Sequence[Answered], told: Mapping[str, Any]) -> list[dict[str, Any]]:
    from markupsafe import Markup

    drawn = pictures.pictures(series.weeks(played, hand), found, errors_by_hand=told["baseline"]["error_rate"])
    # our own SVG, whose texts are numbers, dates and labels from this program
    return [{"title": title, "svg": Markup(svg)} for title, svg in drawn]  # noqa: S704


def _beside(told: Mapping[str, Any], automation: Automation) -> list[dict[str, str]]:
    hand, currency = told["baseline"], automation.value.currency
    rows = (
        ("Hours of triage", _number(told["manual_hours"]), _number(hand["manual_hours"])),
        ("Hours to resolution, mean", *(_number(w["resolution_hours"]["mean"]) for w in (told, hand))),
        ("Hours to resolution, median", *(_number(w["resolution_hours"]["p50"]) for w in (told, hand))),
        ("In a wrong queue", f"{_percent(told['automated_error_rate'])} of automated", _percent(hand["error_rate"])),
        (f"{currency} a ticket", _number(told["cost_per_decision"]), _number(hand["cost_per_decision"])),
    )
    return [{"name": name, "ours": ours, "theirs": theirs} for name, ours, theirs in rows]


def _flat(declared: Mapping[str, Any], prefix: str = "") -> str:
    parts = []
    for name, value in declared.items():
        parts.append(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else f"{prefix}{name} = {value}")
    return ", ".join(parts)


def _interval(found: Any) -> str:
    return f"{found[0]:.1%} to {found[1]:.1%}" if found else ""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def _day(at: datetime) -> str:
    return f"on {at:%Y-%m-%d}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
