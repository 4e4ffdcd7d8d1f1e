"""Rego policies: asked once, wrong ones named with their line, and the example's every rule."""

import threading
from pathlib import Path
from typing import Any

import pytest

from aios_core.errors import PolicyError
from resources.deployments import OWN_AUTOMATIONS
from resources.policy import NOT_REPLAYABLE, RegoPolicy, revision_of

HEAD = "package aios.policy\n\nimport rego.v1\n\n"
EXAMPLE = Path(__file__).parents[2] / "aios_assets/defs/customer_escalations/policy.rego"
SCAFFOLD = Path(__file__).parents[2] / "resources/templates/automation/policy.rego"


def facts(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "automation": "care",
        "queue": "billing",
        "band": "high",
        "proposed": "automate",
        "priority": "normal",
        "channel": "email",
        "language": "en",
        "customer": {"segment": "consumer", "plan": "basic"},
        "flags": {"audit": False, "review_only": False, "never_automate": False, "scored": True},
    }
    return known | changes


def ask(text: str, **changes: Any) -> dict[str, Any]:
    return RegoPolicy(text).ask([facts(**changes)])[0]


def test_answers_come_in_the_order_of_the_questions() -> None:
    policy = RegoPolicy(HEAD + 'decision := {"verdict": input.proposed, "rule": input.queue}\n')
    questions = [facts(queue=q, proposed=p) for q, p in [("a", "draft"), ("b", "review"), ("a", "draft")]]
    assert policy.ask(questions) == [
        {"verdict": "draft", "rule": "a"},
        {"verdict": "review", "rule": "b"},
        {"verdict": "draft", "rule": "a"},
    ]


def test_a_distinct_input_is_evaluated_once() -> None:
    class Counting(RegoPolicy):
        evaluated = 0

        def _evaluate(self, *args: Any) -> dict[str, Any]:
            self.evaluated += 1
            return super()._evaluate(*args)

    policy = Counting(EXAMPLE.read_text())
    policy.ask([facts(queue=f"q{i % 3}") for i in range(1000)])
    policy.ask([facts(queue="q1")])
    assert policy.evaluated == 3


def test_an_answer_changed_by_its_reader_stays_as_it_was() -> None:
    policy = RegoPolicy(EXAMPLE.read_text())
    policy.ask([facts()])[0]["verdict"] = "review"
    assert policy.ask([facts()])[0]["verdict"] == "automate"


def test_the_revision_is_that_of_the_text() -> None:
    assert RegoPolicy("a").revision == revision_of("a") != revision_of("b")
    assert len(revision_of("a")) == 16


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("\ndecision := {\n", "policy.rego:6: this is unclosed"),
        ('decision := {"verdict": "review", "rule": "x" if { }\n', "policy.rego:5: "),
        ('decision := {"verdict": "x", "rule": nothing(1)}\n', "policy.rego:5: Function not found: nothing"),
        ('decision := {"verdict": "review", "rule": undefined_name}\n', "policy.rego:5: "),
        ("allow := true\n", "no `decision`"),
        ('decision := {"verdict": "review", "rule": "x"} if input.queue == "other"\n', "no `decision`"),
        (
            'decision := {"verdict": "review", "rule": "x"}\ndecision := {"verdict": "draft", "rule": "y"}\n',
            "two different",
        ),
        ('decision := {"verdict": "approve", "rule": "x"}\n', "unknown verdict 'approve'; use one of automate, draft"),
        ('decision := {"verdict": null, "rule": "x"}\n', "unknown verdict None"),
        ('decision := {"verdict": "review"}\n', "policy.rego:5: `decision` is {'verdict': 'review'}"),
        ('decision := "review"\n', "policy.rego:5: `decision` is 'review'"),
        ('decision := {"verdict": "review", "rule": 1 / 0}\n', "policy.rego:5: "),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(body: str, expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        RegoPolicy(HEAD + body).check()
    assert expected in str(caught.value)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_another_package_is_refused() -> None:
    with pytest.raises(PolicyError, match="must begin with `package aios.policy`"):
        RegoPolicy('package other\n\ndecision := {"verdict": "review", "rule": "x"}\n').check()
    for text in ("", "# package aios.policy\n", "package aios.policy_2\n"):
        with pytest.raises(PolicyError):
            RegoPolicy(text).check()


@pytest.mark.parametrize("builtin", NOT_REPLAYABLE)
def test_what_answers_differently_each_time_is_refused(builtin: str) -> None:
    body = f'# not {builtin} here\nnote := "nor {builtin} here"\n\ndecision := {{"verdict": "review", "rule": {builtin}()}}\n'
    with pytest.raises(PolicyError, match=f"policy.rego:8: `{builtin}` answers differently"):
        RegoPolicy(HEAD + body).check()


def test_words_in_comments_and_strings_are_not_code() -> None:
    ask(HEAD + '# http.send "\ndecision := {"verdict": "review", "rule": "no http.send # here"}\n')


def test_a_customers_odd_characters_can_not_forge_an_answer() -> None:
    text = HEAD + 'decision := {"rule": input.customer.segment, "verdict": "review"}\n'
    for odd in ('x", "verdict": "automate', 'x"}, "y": {"', "line\nbreak", "back\\slash", "😀 שלום"):
        try:
            answer = ask(text, customer={"segment": odd})
        except PolicyError:
            continue
        assert answer["verdict"] == "review"


def test_threads_share_one_policy() -> None:
    policy, wrong = RegoPolicy(EXAMPLE.read_text()), []

    def work(mine: int) -> None:
        for i in range(100):
            queue = f"q{mine}_{i}"
            if policy.ask([facts(queue=queue)]) != [{"verdict": "automate", "rule": "as_proposed"}]:
                wrong.append(queue)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("file", [EXAMPLE, SCAFFOLD], ids=["customer_escalations", "scaffold"])
def test_a_shipped_policy_answers_every_kind_of_input(file: Path) -> None:
    RegoPolicy(file.read_text()).check(queues=("billing", "fraud", "cancellation", "complaint"))


@pytest.mark.parametrize(
    ("changes", "verdict", "rule"),
    [
        ({}, "automate", "as_proposed"),
        ({"proposed": "draft", "band": "middle"}, "draft", "as_proposed"),
        ({"proposed": "fallback", "band": "none"}, "fallback", "as_proposed"),
        ({"queue": None, "proposed": "review"}, "review", "as_proposed"),
        ({"queue": "fraud", "customer": {"segment": "enterprise"}}, "review", "enterprise_fraud_to_people"),
        ({"queue": "fraud", "customer": {"segment": "consumer"}}, "automate", "as_proposed"),
        ({"queue": "cancellation", "customer": {"segment": "enterprise", "plan": "business"}}, "review",
         "enterprise_cancellation_to_people"),
        ({"queue": "complaint", "priority": "urgent"}, "review", "urgent_complaint_to_people"),
        ({"queue": "complaint", "priority": None}, "automate", "as_proposed"),
        ({"language": "de"}, "draft", "other_language_at_most_draft"),
        ({"language": "EN-gb"}, "automate", "as_proposed"),
        ({"language": None, "customer": {}}, "automate", "as_proposed"),
        ({"queue": "cancellation", "customer": {"plan": "premium"}, "language": "fr"}, "draft",
         "other_language_at_most_draft+premium_cancellation_at_most_draft"),
    ],
)  # fmt: skip
def test_the_example_policy_decides_as_it_says(changes: dict[str, Any], verdict: str, rule: str) -> None:
    assert ask(EXAMPLE.read_text(), **changes) == {"verdict": verdict, "rule": rule}


DECIDES = HEAD + 'decision := {"verdict": input.proposed, "rule": "as_proposed"}\n'
REMEDY = {"automation": "care", "remedy": "rollback", "queues": [], "champion": 2, "last_good": 1, "rollbacks": 0}


def test_a_policy_may_say_something_of_remedies_or_nothing() -> None:
    assert RegoPolicy(DECIDES).remedy(REMEDY) is None
    text = (
        DECIDES
        + 'remedy := {"remedy": "narrow", "rule": "freeze", "queues": ["fraud"]} if input.remedy == "rollback"\n'
    )
    policy = RegoPolicy(text)
    assert policy.remedy(REMEDY) == {"remedy": "narrow", "rule": "freeze", "queues": ["fraud"]}
    assert policy.remedy(REMEDY | {"remedy": "none"}) is None
    assert policy.ask([facts()]) == [{"verdict": "automate", "rule": "as_proposed"}]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('"narrow"', "policy.rego:6: `remedy` is 'narrow'; it must be"),
        ('{"remedy": "sell", "rule": "r"}', "one of none, rollback, narrow, stop"),
        ('{"remedy": "stop"}', "it must be"),
        ('{"remedy": "narrow", "rule": "r", "queues": "fraud"}', "`queues` of `remedy` is 'fraud'"),
    ],
)
def test_a_wrong_answer_about_remedies_shows_when_the_policy_is_checked(answer: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        RegoPolicy(f"{DECIDES}remedy := {answer}\n").check()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"promises": ["compensation"], "basis": "model"}, ["only_people_make_exceptions"]),
        ({"promises": ["compensation"], "basis": "passage"}, []),
        ({"topics": ["legal"], "basis": "model"}, ["no_advice_by_a_machine"]),
        ({"topics": ["security"]}, ["never_ask_for_secrets"]),
        ({"promises": ["refund"], "queue": "fraud"}, ["no_money_promised_in_fraud"]),
        ({"promises": ["refund"]}, []),
    ],
)
def test_the_example_policy_forbids_sentences_as_it_says(changes: dict[str, Any], names: list[str]) -> None:
    facts = {"queue": "billing", "basis": "passage", "promises": [], "topics": [], "amounts": [], "customer": {}}
    policy = RegoPolicy((OWN_AUTOMATIONS / "customer_escalations" / "policy.rego").read_text(encoding="utf-8"))
    assert policy.forbids(facts | changes) == names


def test_a_policy_without_such_rules_forbids_nothing_and_a_wrong_answer_is_refused() -> None:
    body = 'package aios.policy\n\nimport rego.v1\n\ndefault decision := {"verdict": "review", "rule": "x"}\n'
    assert RegoPolicy(body).forbids({"text": "x"}) == []
    with pytest.raises(PolicyError, match="it must be a set of names"):
        RegoPolicy(body + "draft_forbids := 7\n").forbids({"text": "x"})


def test_a_reply_is_public_only_where_the_policy_says_so() -> None:
    facts = {"queue": "billing", "verdict": "automate", "drafter": "embedded", "language_of_reply": "en"}
    silent = 'package aios.policy\nimport rego.v1\ndecision := {"verdict": input.proposed, "rule": "p"}\n'
    assert not RegoPolicy(silent).reply_publicly(facts)
    rule = 'reply_publicly if {\n\tinput.queue == "billing"\n\tinput.drafter == "embedded"\n}\n'
    allowed = RegoPolicy(silent + rule)
    assert allowed.reply_publicly(facts)
    assert not allowed.reply_publicly(facts | {"drafter": "model"})
    wrong = RegoPolicy(silent + 'reply_publicly := "yes"\n')
    with pytest.raises(PolicyError, match=r"policy.rego:4: `reply_publicly` is 'yes'; it must be true or false"):
        wrong.check(queues=["billing"])
