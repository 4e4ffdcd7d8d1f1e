"""Whether a verified draft may be sent to the customer: never unless it is declared, and the policy of its decision says so.

What belongs here: asking. What does not: Rego (`policy.py`), and what is sent (`aios_core/decisions/actions.py`).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from aios_core.automation import Automation
from aios_core.decisions.record import parse
from aios_core.drafting.model import Draft

if TYPE_CHECKING:
    from resources.policy import RegoPolicy

KEPT = 16  # compiled policies of a process


def may_be_public(connection: Connection[Any], automation: Automation, *, decision_id: str, draft: Draft) -> bool:
    """By the rule `reply_publicly` of the policy that the decision was made under; a draft that is less than was asked for never is."""
    if not automation.actions.public_reply or draft.degraded is not None:
        return False
    row = connection.execute(
        "select d.record, p.content from decisions d join policies p on p.revision = d.policy_revision where d.decision_id = %s",
        (decision_id,),
    ).fetchone()
    if row is None:
        return False
    recorded = parse(bytes(row[0]))
    facts = {
        **recorded["policy"]["input"],
        "verdict": recorded["verdict"],
        "drafter": draft.drafter.kind,
        "language_of_reply": draft.language,
    }
    return _policy(row[1]).reply_publicly(facts)


@lru_cache(KEPT)
def _policy(text: str) -> "RegoPolicy":
    from resources.policy import RegoPolicy

    return RegoPolicy(text)
