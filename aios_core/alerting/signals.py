"""What rules may watch: the names of all signals, and one reading of one.

What belongs here: the catalogue, so that a misspelt signal is found when a declaration is loaded. What does not: how a signal is read
(`resources/signals.py`, which has a function for each name here).
"""

from dataclasses import dataclass

EVERYTHING = "*"  # the subject of a reading that speaks of the whole automation

CATALOGUE: dict[str, str] = {
    "decision_throughput": "Decisions in the window, as a share of the same time of day on the seven days before (median)",
    "share_automated": "Share of decisions automated in the window, as a share of what it was in the seven days before",
    "backlog_age_hours": "Hours that the oldest undecided review case of each queue waits",
    "cases_escalated": "Undecided review cases of each queue that were raised because they would soon be late",
    "service_level_burn": "How fast review cases that come too late use up what the objective allows; two windows, the slower counts",
    "money_at_risk": "Expected cost of a day's automated decisions that are wrong, in `value.currency`",
    "money_at_risk_share": "The same, as a share of what triage by hand of those decisions would have cost",
    "incident_open": "1 for each open incident: rolled back, narrowed, stopped",
    "drift_days": "How many measured days in a row, up to the newest one, are flagged as drifted",
    "estimated_accuracy": "Upper end of the newest day's estimated accuracy: below a limit, even the kind reading is too low",
    "landing_stale_hours": "Hours since each source of tickets landed anything (files left out)",
    "source_failing_minutes": "Minutes since a source was last read to its end, of each whose newest read failed",
    "dead_letters": "Actions that could not be sent to the helpdesk and wait for somebody",
    "judge_silent_minutes": "Minutes since the champion was judged last",
    "monitor_failed": "1 for each job that watches or remedies and whose newest run failed",
    "job_failed": "1 for each other job whose newest run failed",
    "signal_failed": "1 for each signal that could not be read: nothing is known of it, and nothing is not good",
    "synthetic_failing": "1 where the newest synthetic transaction did not come back as it should, or none was sent for too long",
    "alert_undelivered": "Messages of the last day that could not be delivered, by channel",
}
UNREADABLE = "signal_failed"  # filled by whoever reads the others

# may be seen because of an incident, and is then told together with it
CONSEQUENCES = frozenset({
    "decision_throughput", "share_automated", "backlog_age_hours", "cases_escalated", "service_level_burn", "money_at_risk",
    "money_at_risk_share", "incident_open", "drift_days", "estimated_accuracy",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One signal of one subject (a queue, a source, a job) at one moment.

    `value` is None where nothing can be said, and `note` says why: that is neither a breach nor its end. A subject that is not read
    at all has nothing wrong with it.
    """

    subject: str = EVERYTHING
    value: float | None
    note: str = ""
    incident_id: int | None = None
