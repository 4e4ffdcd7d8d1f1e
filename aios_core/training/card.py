"""The model card: what a version is, what it was made from, how good it is and where it must not be trusted.

What belongs here: the card's content, as data and as Markdown, after Mitchell et al., "Model Cards for Model Reporting" (2019).
What does not: numbers of their own; all come from the fit.
"""

from collections.abc import Mapping
from typing import Any

from aios_core.automation import Automation
from aios_core.training.assess import Assessed

LICENCE = "The model contains terms of its training data and shares that data's licence; AIOS adds no terms of its own."
WORDING = (
    "It reads wording, not meaning: a problem in unseen words is scored by what little it recognises (`unseen_share`)."
)
FEW_ROWS = 30


def card(assessed: Assessed, *, automation: Automation, snapshot_id: str, reads: Mapping[str, Any]) -> dict[str, Any]:
    """The card as plain data; `reads` says what the model reads."""
    return {
        "model": automation.model_name,
        "kind": automation.model.kind,
        "automation": automation.name,
        "declaration": automation.version,
        "purpose": automation.description or f"Routes the tickets of {automation.name} to a queue.",
        "owners": list(automation.owners),
        "licence": LICENCE,
        "data": {
            "snapshot_id": snapshot_id,
            "rows": assessed.rows,
            "rows_by_class": assessed.rows_by_class,
            "first_ticket": assessed.period[0].isoformat(),
            "last_ticket": assessed.period[1].isoformat(),
        },
        "features": dict(reads),
        "held_back": assessed.metrics,
        "out_of_fold": assessed.out_of_fold,
        "by_class": assessed.by_class,
        "novelty": _novelty(assessed),
        "notes": list(assessed.notes),
        "limits": limits(assessed, reads),
    }


def _novelty(assessed: Assessed) -> dict[str, Any] | None:
    measured = assessed.novelty
    return None if measured is None else {**measured.to_json(), "sentences": measured.sentences}


def _novelty_lines(novelty: Mapping[str, Any] | None) -> list[str]:
    return [] if novelty is None else ["## Novelty", "", *(f"- {sentence}" for sentence in novelty["sentences"]), ""]


def limits(assessed: Assessed, reads: Mapping[str, Any]) -> list[str]:
    """What the numbers do not cover, in sentences. `reads` may have a `limit` of the kind's own."""
    few = [name for name, rows in assessed.rows_by_class.items() if rows < FEW_ROWS]
    unmeasured = [entry["class"] for entry in assessed.by_class if not entry["rows"]]
    found = [
        reads.get("limit", WORDING),
        f"It was measured on tickets until {assessed.period[1].date()}; later products, campaigns or rules are not covered.",
        "A confidence is a share of past tickets that turned out right at that score, not a promise for one ticket.",
        "The labels are what agents and reviewers decided; their mistakes are in it and in its metrics.",
    ]
    if few:
        found.append(f"Fewer than {FEW_ROWS} rows to learn from: {', '.join(few)}.")
    if unmeasured:
        found.append(
            f"None of the held-back rows is of these classes, so nothing is known of them: {', '.join(unmeasured)}."
        )
    return found


def card_markdown(content: dict[str, Any]) -> str:
    """The card as people read it."""
    data, held_back, features = content["data"], content["held_back"], content["features"]
    period = f"{data['rows']:,} tickets from {data['first_ticket'][:10]} to {data['last_ticket'][:10]}"
    measured = " | ".join(f"{held_back[name]:.3f}" for name in ("accuracy", "macro_f1", "log_loss", "ece"))
    lines = [
        f"# Model card: {content['model']}",
        "",
        content["purpose"],
        "",
        f"- **Kind**: {content['kind']}, {features['summary']}",
        f"- **Automation**: {content['automation']}, declaration {content['declaration']}",
        f"- **Owners**: {', '.join(content['owners']) or 'none declared'}",
        f"- **Training data**: snapshot `{data['snapshot_id']}`, {period}, {len(data['rows_by_class'])} classes",
        f"- **Licence**: {content['licence']}",
        "",
        "## Quality on the newest tickets, held back",
        "",
        "| rows | accuracy | macro-F1 | log loss | calibration error |",
        "|---:|---:|---:|---:|---:|",
        f"| {held_back['rows']:,} | {measured} |",
        "",
        "Automating at a target accuracy, threshold chosen from older tickets alone:",
        "",
        "| target | threshold | automated | accuracy among them |",
        "|---:|---:|---:|---:|",
        *(_target_row(entry) for entry in held_back["automated"]),
        "",
        "The plot of calibration and operating curve is `calibration.png` beside this card.",
        "",
        "## By class",
        "",
        "| class | rows trained on | rows held back | precision | recall | F1 |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {entry['class']} | {data['rows_by_class'][entry['class']]} | {entry['rows']} | {entry['precision']:.2f} | "
            f"{entry['recall']:.2f} | {entry['f1']:.2f} |"
            for entry in content["by_class"]
        ),
        "",
        *_novelty_lines(content["novelty"]),
        "## Limits",
        "",
        *(f"- {limit}" for limit in content["limits"]),
    ]
    if content["notes"]:
        lines += ["", "## Notes of the training", "", *(f"- {note}" for note in content["notes"])]
    return "\n".join(lines) + "\n"


def _target_row(entry: dict[str, Any]) -> str:
    if entry["threshold"] is None:
        return f"| {entry['target']:.0%} | not reached | 0% | |"
    accuracy = "" if entry["accuracy"] is None else f"{entry['accuracy']:.1%}"
    return f"| {entry['target']:.0%} | {entry['threshold']:.3f} | {entry['coverage']:.1%} | {accuracy} |"
