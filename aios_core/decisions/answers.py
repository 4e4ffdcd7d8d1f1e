"""Asking the policy, and never trusting its answer further than it can be used.

What belongs here: the question to a policy, whatever it is, and the check of its answer. What does not: Rego
(`resources/policy.py`) and what follows from an answer (`decide.py`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aios_core.decisions.proposal import CAUTION, Facts

Policy = Callable[[Sequence[Facts]], Sequence[Mapping[str, Any]]]

MAX_ERROR = 500
MAX_RULE = 200


def ask(policy: Policy, facts: Sequence[Facts]) -> list[Mapping[str, Any]]:
    """An answer for each, every distinct input asked once; one that can't be used is {"error": why}, and harms no other."""
    keys = [json.dumps(f, sort_keys=True) for f in facts]
    distinct = dict(zip(keys, facts, strict=True))
    try:
        given = list(policy(list(distinct.values())))
    except Exception:
        given = []
    if len(given) != len(distinct):
        # asked one by one, so that the rest of the day is not held up by the input that breaks it
        given = [_ask_one(policy, f) for f in distinct.values()]
    answers = {key: _checked(answer, distinct[key]) for key, answer in zip(distinct, given, strict=True)}
    return [answers[key] for key in keys]


def _ask_one(policy: Policy, facts: Facts) -> Mapping[str, Any]:
    try:
        answers = list(policy([facts]))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:MAX_ERROR]}
    return answers[0] if len(answers) == 1 else {"error": f"{len(answers)} answers to one question"}


def _checked(answer: Any, facts: Facts) -> Mapping[str, Any]:
    """The answer's verdict and rule, or why it can't be used."""
    if isinstance(answer, Mapping) and isinstance(answer.get("error"), str):
        return {"error": _plain(answer["error"])}
    if not isinstance(answer, Mapping) or not isinstance(answer.get("rule"), str):
        return {"error": _plain(f"not an object with `verdict` and `rule`: {answer!r}"[:MAX_ERROR])}
    verdict = answer.get("verdict")
    if (
        not isinstance(verdict, str)
        or verdict not in CAUTION
        or (verdict == "fallback" and facts["proposed"] != "fallback")
    ):
        return {"error": _plain(f"not a verdict: {verdict!r}"[:MAX_ERROR])}
    return {"verdict": verdict, "rule": _plain(answer["rule"])[:MAX_RULE]}


def _plain(text: str) -> str:
    """On one line and storable anywhere: text columns take no NUL, UTF-8 no lone surrogates."""
    return " ".join(text.encode("utf-8", "replace").decode().replace("\0", "").split())
