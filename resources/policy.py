"""Rego policies: compiled once, asked once for each distinct input, and refused where an answer could not be replayed.

What belongs here: one policy text and its engine. What does not: what a policy may change about a verdict
(`aios_core/decisions/`).

The contract: package `aios.policy`, Rego v1, and a rule `decision := {"verdict": "...", "rule": "..."}` for every input. The
input has: automation, queue, band (high | middle | low | none), proposed (automate | draft | review | fallback), priority,
channel, language, customer (the declared categorical CRM features), flags (audit, review_only, never_automate, scored).

A second rule is optional: `remedy := {"remedy": "...", "rule": "...", "queues": [...]}`, asked when the judge has spoken about a
degrading model. Its input has: automation, remedy (none | rollback | narrow | stop), queues, retrain, champion, last_good, settled,
rollbacks, drifted_days, held. What it may change: `aios_core/monitoring/careful.py`.

A third rule is optional too: `draft_forbids`, a set of names, asked of each sentence of a draft (`aios_core/drafting/verification/`).

A fourth is optional: `reply_publicly`, true where a verified draft may be sent to the customer without a person, and without the rule never. It
sees the facts of the decision, its `verdict`, who wrote the draft (`drafter`: embedded or model) and its `language_of_reply`.

Two more are about agents (`aios_core/agents/facts.py`): `agent_may`, true where one may look into a case at all, and without the rule
never; `agent_tool := {"allow": true, "rule": "..."}`, asked before every call of a declared tool, and without the rule allowed.
"""

import hashlib
import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from regopy import Bundle, Interpreter, LogLevel, RegoError

from aios_core.decisions.model import VERDICTS
from aios_core.errors import PolicyError

PACKAGE = "aios.policy"
QUERY = f"answer = data.{PACKAGE}.decision"
REMEDY_QUERY = f"answer = data.{PACKAGE}.remedy"
DRAFT_QUERY = f"answer = data.{PACKAGE}.draft_forbids"
AGENT_MAY_QUERY = f"answer = data.{PACKAGE}.agent_may"
AGENT_TOOL_QUERY = f"answer = data.{PACKAGE}.agent_tool"
REPLY_QUERY = f"answer = data.{PACKAGE}.reply_publicly"
REMEDIES = ("none", "rollback", "narrow", "stop")
REMEMBERED = 20_000  # distinct inputs kept with their answers; about 1 kB each

# their answer depends on when or where it is asked, so that no decision by them could be replayed
NOT_REPLAYABLE = ("http.send", "net.lookup_ip_addr", "opa.runtime", "rand.intn", "time.now_ns", "uuid.rfc4122")

Facts = Mapping[str, Any]


def revision_of(text: str) -> str:
    """A policy's revision: 16 hex digits of its text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class RegoPolicy:
    """One policy text. Safe to share between threads; the text is compiled at first use."""

    def __init__(self, text: str, *, name: str = "policy.rego") -> None:
        self.text = text
        self.name = name
        self.revision = revision_of(text)
        self._compiled: tuple[Interpreter, Bundle, Bundle, Bundle, Bundle, Bundle, Bundle] | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def ask(self, facts: Sequence[Facts]) -> list[dict[str, Any]]:
        """One {"verdict", "rule"} for each input; each distinct input is evaluated once in the policy's life.

        Raises PolicyError with the policy's line where it can't be compiled, and with the input where it gives no verdict.
        """
        with self._lock:
            return [dict(self._answer(f)) for f in facts]

    def check(self, *, queues: Sequence[str] = ()) -> None:
        """Compile, and ask for every combination of band, proposal and queue, with unknown priority, language and customer.

        Raises PolicyError: a mistake shows when an automation is loaded, not with the first ticket that meets it.
        """
        self.ask(list(_samples(queues)))
        for remedy in REMEDIES:
            self.remedy(_remedy_sample(remedy, queues))
        for queue in queues or ("any",):
            self.forbids(_draft_sample(queue))
            self.agent_may(_agent_sample(queue))
            self.reply_publicly(_agent_sample(queue) | {"drafter": "embedded", "language_of_reply": "en"})
            self.agent_tool(_agent_sample(queue) | {"tool": "read_customer", "arguments": {"customer": "own"}})

    def remedy(self, facts: Facts) -> dict[str, Any] | None:
        """{"remedy", "rule", "queues"} for a proposed remedy; None where the policy has no rule for this input.

        Raises PolicyError where the rule fails or answers something else.
        """
        key = json.dumps(facts, sort_keys=True)
        with self._lock:
            answer = self._query(self._compile()[2], facts, key)
        if answer is None:
            return None
        if (
            not isinstance(answer, dict)
            or not isinstance(answer.get("rule"), str)
            or answer.get("remedy") not in REMEDIES
        ):
            raise PolicyError(
                f'{self.name}:{self._line_of("remedy")}: `remedy` is {answer!r}; it must be {{"remedy": "...", "rule": "..."}} with'
                f" one of {', '.join(REMEDIES)}; input: {key}"
            )
        queues = answer.get("queues", [])
        if not isinstance(queues, list) or not all(isinstance(queue, str) for queue in queues):
            raise PolicyError(
                f"{self.name}:{self._line_of('remedy')}: `queues` of `remedy` is {queues!r}; it must be a list of names, or left"
                f" out; input: {key}"
            )
        return {"remedy": answer["remedy"], "rule": answer["rule"], "queues": queues}

    def forbids(self, facts: Facts) -> list[str]:
        """Names of the rules that forbid these facts of a draft; none where the policy has no `draft_forbids`.

        Raises PolicyError where the rule fails or is no set of names.
        """
        key = json.dumps(facts, sort_keys=True)
        with self._lock:
            answer = self._query(self._compile()[3], facts, key)
        names = [] if answer is None else answer
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise PolicyError(
                f"{self.name}:{self._line_of('draft_forbids')}: `draft_forbids` is {names!r}; it must be a set of names; input: {key}"
            )
        return sorted(names)

    def agent_may(self, facts: Facts) -> bool:
        """Whether an agent may look into this case; never where the policy has no `agent_may`, or says nothing.

        Raises PolicyError where the rule fails or is neither true nor false.
        """
        return self._flag("agent_may", 4, facts)

    def reply_publicly(self, facts: Facts) -> bool:
        """Whether a verified draft may go to the customer; never where the policy has no `reply_publicly`, or says nothing.

        Raises PolicyError where the rule fails or is neither true nor false.
        """
        return self._flag("reply_publicly", 6, facts)

    def _flag(self, rule: str, place: int, facts: Facts) -> bool:
        key = json.dumps(facts, sort_keys=True)
        with self._lock:
            answer = self._query(self._compile()[place], facts, key)
        if answer is not None and not isinstance(answer, bool):
            raise PolicyError(
                f"{self.name}:{self._line_of(rule)}: `{rule}` is {answer!r}; it must be true or false; input: {key}"
            )
        return bool(answer)

    def agent_tool(self, facts: Facts) -> tuple[bool, str]:
        """(allowed, rule) for one call of a declared tool; allowed where the policy has no `agent_tool`, or says nothing.

        Raises PolicyError where the rule fails or answers something else.
        """
        key = json.dumps(facts, sort_keys=True)
        with self._lock:
            answer = self._query(self._compile()[5], facts, key)
        if answer is None:
            return True, "declared"
        if not (
            isinstance(answer, dict) and isinstance(answer.get("allow"), bool) and isinstance(answer.get("rule"), str)
        ):
            raise PolicyError(
                f'{self.name}:{self._line_of("agent_tool")}: `agent_tool` is {answer!r}; it must be {{"allow": true or false,'
                f' "rule": "..."}}; input: {key}'
            )
        return answer["allow"], answer["rule"]

    def _answer(self, facts: Facts) -> dict[str, Any]:
        key = json.dumps(facts, sort_keys=True)
        known = self._answers.get(key)
        if known is None:
            known = self._evaluate(facts, key)
            if len(self._answers) < REMEMBERED:
                self._answers[key] = known
        return known

    def _evaluate(self, facts: Facts, key: str) -> dict[str, Any]:
        answer = self._query(self._compile()[1], facts, key)
        if answer is None:
            raise PolicyError(
                f"{self.name}:1: no `decision`, or two different ones, in package {PACKAGE} for this input: {key}"
            )
        return self._verdict(answer, key)

    def _query(self, bundle: Bundle, facts: Facts, key: str) -> Any:
        """What the rule says of this input; None where it says nothing."""
        interpreter = self._compile()[0]
        try:
            interpreter.set_input(dict(facts))
            results = interpreter.query_bundle(bundle).results
        except RegoError as error:
            raise PolicyError(f"{self._at(str(error))}; input: {key}") from error
        except json.JSONDecodeError as error:  # an error inside the answer is printed into its JSON
            raise PolicyError(f"{self._at(error.doc)}; input: {key}") from error
        return results[0].bindings.get("answer") if results else None

    def _verdict(self, answer: Any, key: str) -> dict[str, Any]:
        if not isinstance(answer, dict) or not isinstance(answer.get("rule"), str):
            raise PolicyError(
                f'{self.name}:{self._line_of("decision")}: `decision` is {answer!r}; it must be {{"verdict": "...",'
                f' "rule": "..."}}; input: {key}'
            )
        if answer.get("verdict") not in VERDICTS:
            raise PolicyError(
                f"{self.name}:{self._line_of('decision')}: unknown verdict {answer.get('verdict')!r}; use one of"
                f" {', '.join(VERDICTS)}; input: {key}"
            )
        return {"verdict": answer["verdict"], "rule": answer["rule"]}

    def _compile(self) -> tuple[Interpreter, Bundle, Bundle, Bundle, Bundle, Bundle, Bundle]:
        """The engine, and its questions: of a decision, a remedy, a draft, an agent, an agent's call, a public reply."""
        if self._compiled is None:
            self._refuse_what_is_not_replayable()
            interpreter = Interpreter()
            interpreter.log_level = LogLevel.NONE  # it prints errors to the terminal, and raises them too
            try:
                interpreter.add_module(self.name, self.text)
                questions = (QUERY, REMEDY_QUERY, DRAFT_QUERY, AGENT_MAY_QUERY, AGENT_TOOL_QUERY, REPLY_QUERY)
                self._compiled = (interpreter, *map(interpreter.build, questions))
            except RegoError as error:
                raise PolicyError(self._at(str(error))) from error
        return self._compiled

    def _refuse_what_is_not_replayable(self) -> None:
        code = _without_comments_and_strings(self.text)
        for builtin in NOT_REPLAYABLE:
            found = re.search(rf"\b{re.escape(builtin)}\b", code)
            if found:
                line = code.count("\n", 0, found.start()) + 1
                raise PolicyError(
                    f"{self.name}:{line}: `{builtin}` answers differently each time, so decisions could not be replayed;"
                    " use the facts of `input`"
                )
        if not re.search(rf"^\s*package\s+{re.escape(PACKAGE)}\s*$", code, re.MULTILINE):
            raise PolicyError(f"{self.name}:1: the policy must begin with `package {PACKAGE}`")

    def _at(self, engine_error: str) -> str:
        """`policy.rego:12: what is wrong`, from the engine's error tree."""
        message = re.search(r"\(errormsg (?:\d+:)?([^()]*)", engine_error)
        what = message.group(1).strip() if message else " ".join(engine_error.split())[:300]
        return f"{self.name}:{self._line(engine_error, what)}: {what}"

    def _line(self, engine_error: str, what: str) -> int:
        place = re.search(rf"{re.escape(self.name)}\|(\d+)\|\d+", engine_error)
        if place:
            return self.text.encode()[: int(place.group(1))].count(b"\n") + 1
        missing = re.search(r"Function not found: ([\w.]+)", what)
        return self._line_of(missing.group(1) if missing else "decision")

    def _line_of(self, word: str) -> int:
        found = re.search(rf"\b{re.escape(word)}\b", _without_comments_and_strings(self.text))
        return self.text.count("\n", 0, found.start()) + 1 if found else 1


def _agent_sample(queue: str) -> dict[str, Any]:
    return _sample(queue, "low", "review") | {"verdict": "review"}


def _without_comments_and_strings(text: str) -> str:
    """The code with comments and strings blanked; every line stays where it is."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"|`[^`]*`|#[^\n]*', lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def _samples(queues: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every band and proposal that goes with it, for every queue."""
    proposals = {"high": ("automate", "draft", "review"), "middle": ("draft", "review"), "low": ("review",)}
    scored = [(band, verdict) for band, verdicts in proposals.items() for verdict in verdicts]
    for queue, (band, verdict) in itertools.product(queues or ("any",), scored):
        yield _sample(queue, band, verdict)
    yield _sample(None, "none", "review")
    yield _sample(queues[0] if queues else "any", "none", "fallback")


def _sample(queue: str | None, band: str, verdict: str) -> dict[str, Any]:
    flags = {"audit": False, "review_only": False, "never_automate": False, "scored": band != "none"}
    return {"automation": "any", "queue": queue, "band": band, "proposed": verdict, "priority": None, "channel": None,
            "language": None, "customer": {}, "flags": flags}  # fmt: skip


def _remedy_sample(remedy: str, queues: Sequence[str]) -> dict[str, Any]:
    narrowed = list(queues[:1]) or ["any"]
    return {"automation": "any", "remedy": remedy, "queues": narrowed if remedy == "narrow" else [], "retrain": False,
            "champion": 2, "last_good": 1, "settled": 100, "rollbacks": 0, "drifted_days": 0, "held": []}  # fmt: skip


def _draft_sample(queue: str) -> dict[str, Any]:
    """A sentence that promises, advises and names an amount, so that every rule has something to look at."""
    return {"automation": "any", "queue": queue, "language": "en", "basis": "model", "cited": True, "text": "any", "promises": ["refund"],
            "topics": ["legal"], "amounts": ["1 EUR"], "customer": {}}  # fmt: skip
