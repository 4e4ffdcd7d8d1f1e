"""A gate and a comparison in words: the same Markdown in Dagster's metadata and on the command line.

What belongs here: wording. What does not: numbers of its own, and HTML (`gateway/templates/`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from aios_core.lifecycle.comparison import Comparison, Group
from aios_core.lifecycle.gate import Gate

SHOWN_GROUPS = 100


def gate_rows(gate: Gate) -> list[dict[str, Any]]:
    """One row a guard, for a table."""
    return [
        {"guard": g.name.replace("_", " "), "state": g.state, "value": _number(g.value), "limit": _number(g.limit), "why": g.told}
        for g in gate.guards
    ]  # fmt: skip


def group_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """One row a group, for a table."""
    return [
        {"group": g.name, "tickets": g.rows, "old": _percent(g.old_error), "new": _percent(g.new_error),
         "old alone right": g.old_only, "new alone right": g.new_only, "winner": g.winner}
        for g in groups[:SHOWN_GROUPS]
    ]  # fmt: skip


def summary(found: Comparison) -> str:
    """The comparison in two or three sentences."""
    winner = "are equally often right" if found.old_right == found.new_right else (
        f"{'new' if found.new_right > found.old_right else 'old'} is right more often")  # fmt: skip
    proven = "not chance" if found.mcnemar.p_value <= 0.05 else "may be chance"
    difference = found.new_cost - found.old_cost
    return (
        f"On {found.rows:,} tickets ({found.rows_from}) version {found.old} (old) and version {found.new} (new) "
        f"{'' if found.old_right == found.new_right else 'differ: '}{winner}, {found.old_accuracy:.1%} against "
        f"{found.new_accuracy:.1%}. Old alone is right on {found.old_only}, new alone on {found.new_only}; McNemar's test "
        f"({found.mcnemar.method}) gives p = {found.mcnemar.p_value:.2g}: {proven}. {found.requeued:,} tickets would get another "
        f"queue and {found.reverdicted:,} another verdict; a ticket would cost {abs(difference):.3f} {found.currency} "
        f"{'more' if difference > 0 else 'less'}."
    )


def comparison_markdown(found: Comparison) -> str:
    """The whole page."""
    lines = [
        f"## Version {found.old} (old) against version {found.new} (new)",
        "",
        summary(found),
        "",
        *_table([
            {"": "accuracy", "old": _percent(found.old_accuracy), "new": _percent(found.new_accuracy)},
            {"": "macro-F1", "old": f"{found.old_macro_f1:.3f}", "new": f"{found.new_macro_f1:.3f}"},
            {"": f"cost a ticket, {found.currency}", "old": f"{found.old_cost:.3f}", "new": f"{found.new_cost:.3f}"},
        ]),
        "",
        "### Error by queue",
        "",
        *_table(group_rows(found.by_queue)),
        "",
    ]  # fmt: skip
    if found.by_tier:
        lines += [f"### Error by {found.tier}", "", *_table(group_rows(found.by_tier)), ""]
    if found.verdicts:
        lines += ["### Verdicts under today's rules", "", *_table(verdict_rows(found)), ""]
    return "\n".join(lines)


def verdict_rows(found: Comparison) -> list[dict[str, Any]]:
    """Transitions, those that change something first."""
    ordered = sorted(found.verdicts.items(), key=lambda item: (item[0][0] == item[0][1], -item[1], item[0]))
    return [{"old": before, "new": after, "tickets": count} for (before, after), count in ordered]


def _table(rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    if not rows:
        return ["_none_"]
    names = list(rows[0])
    return [_line(names), _line(["---"] * len(names)), *(_line(row.values()) for row in rows)]


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
