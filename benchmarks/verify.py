"""How many planted faults the verification of drafts catches, and how many true drafts it refuses.

What belongs here: counting. What does not: the drafts (`verify_drafts/`) and the checks (`aios_core/drafting/verification`).

The policy of the shipped automation is asked, too. A fault counts as caught where a finding marks the sentence in which it was planted, or the draft as a
whole; a true draft counts as refused where a check finds anything in it. True sentences that the policy reserves to people (what a mistake is worth, who is
liable) are counted apart: there it does what it was written for.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from aios_core.automation import Drafts
from aios_core.drafting.model import Finding
from aios_core.drafting.verification.check import verify
from aios_core.drafting.verification.rules import rules_of
from benchmarks.verify_drafts.drafts import Case, cases
from resources.deployments import OWN_AUTOMATIONS
from resources.policy import RegoPolicy

POLICY = "draft.policy"


def measure(*, held_back: bool = True) -> dict[str, Any]:
    """Both halves together, each by itself, and by kind of fault; `held_back` False leaves that half's articles alone."""
    policy = RegoPolicy((OWN_AUTOMATIONS / "customer_escalations" / "policy.rego").read_text(encoding="utf-8"))
    rules = rules_of(Drafts())
    judged, seconds = [], []
    for case in cases():
        if case.half == "held_back" and not held_back:
            continue
        begin = time.perf_counter()
        found = verify(
            case.draft,
            case.material,
            rules=rules,
            policy=lambda facts: [policy.forbids(one) for one in facts],
            citable=lambda _, case=case: not case.withdrawn,  # type: ignore[misc]  # bound at once
        )
        seconds.append(time.perf_counter() - begin)
        judged.append((case, found.findings))
    halves = {half: _counted([j for j in judged if j[0].half == half]) for half in ("tuning", "held_back")}
    return {
        **_counted(judged),
        "by_kind": _by_kind(judged),
        **{half: told for half, told in halves.items() if told["drafts"]},
        "p95_ms": round(sorted(seconds)[int(len(seconds) * 0.95)] * 1000, 2),
        **_told([j for j in judged if j[0].half == "tuning"]),
    }


Judged = tuple[Case, tuple[Finding, ...]]


def _caught(judged: Judged) -> bool:
    case, findings = judged
    return bool({finding.sentence for finding in findings} & {case.planted, None})


def _refused(judged: Judged) -> bool:
    return any(finding.code != POLICY for finding in judged[1])


def _forbidden(judged: Judged) -> bool:
    return bool(judged[1]) and not _refused(judged)


def _counted(judged: Sequence[Judged]) -> dict[str, Any]:
    faulty, good = [j for j in judged if j[0].kind], [j for j in judged if not j[0].kind]
    return {
        "drafts": len(judged),
        "faults_planted": len(faulty),
        "faults_caught_share": _share(map(_caught, faulty)),
        "good_refused_share": _share(map(_refused, good)),
        "good_forbidden_by_policy_share": _share(map(_forbidden, good)),
    }


def _share(found: Iterable[bool]) -> float | None:
    counted = list(found)
    return round(sum(counted) / len(counted), 4) if counted else None


def _by_kind(judged: Sequence[Judged]) -> dict[str, str]:
    planted, caught = Counter[str](), Counter[str]()
    for one in judged:
        if kind := one[0].kind:
            planted[kind] += 1
            caught[kind] += _caught(one)
    return {kind: f"{caught[kind]} of {planted[kind]}" for kind in sorted(planted)}


def _told(judged: Sequence[Judged]) -> dict[str, list[str]]:
    """Sentences to look at; what is held back is counted, not looked at."""
    missed = {
        f"{case.kind}: {case.draft.sentences[case.planted or 0].text}"
        for case, findings in judged
        if case.kind and not _caught((case, findings))
    }
    refused = {
        f"{f.code}: {f.quoted or f.message}" for one in judged if not one[0].kind and _refused(one) for f in one[1]
    }
    return {"missed": sorted(missed), "refused": sorted(refused)}
