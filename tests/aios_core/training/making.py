"""Small labelled worlds to fit on: three queues with words of their own, customer facts, and time that passes."""

from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

import pyarrow as pa

from aios_core.automation import Automation, CrmFeature, Features, LinearTextModel, Training
from aios_core.features.build import feature_schema
from aios_core.training.export import export
from aios_core.training.files import with_golden
from aios_core.training.fit import Fitted, fit
from resources.runtime import open_session

START = datetime(2025, 3, 1, tzinfo=UTC)
FACTS = Features(
    customer=(CrmFeature(name="plan", kind="categorical"), CrmFeature(name="tenure_months", kind="numeric"))
)
TOPICS = {
    "billing": ["invoice", "refund", "charged", "payment", "direct debit", "late fee"],
    "outage": ["no signal", "network down", "masts", "internet dropped", "coverage", "outage"],
    "roaming": ["abroad", "roaming", "in Spain", "data pass", "border", "holiday"],
}
CHATTER = [
    "hello there",
    "please help",
    "since yesterday",
    "my phone",
    "I don't know why",
    "thanks",
    "it's urgent!",
    "again",
]


def table(texts, *, facts=(), spec=None, ids=None, moments=None):
    """A feature table of these texts; `facts` are dicts of customer facts, aligned."""
    spec = spec or Features()
    count = len(texts)
    rows = list(facts) or [{}] * count
    moments = moments or [START + timedelta(minutes=7 * i) for i in range(count)]
    columns = {
        "source": ["desk"] * count,
        "ticket_id": ids or [f"t{i}" for i in range(count)],
        "ticket_version": ["1"] * count,
        "correlation_id": [f"c{i}" for i in range(count)],
        "created_at": moments,
        "known_at": moments,
        "text": list(texts),
        **{name: [None] * count for name in ("priority", "channel", "language", "customer_id")},
        **{f"crm_{f.name}": [row.get(f.name) for row in rows] for f in spec.customer},
    }
    return pa.table(columns, schema=feature_schema(spec))


def tickets(count, *, seed=1, confusing=0.1, topics=TOPICS):
    """Texts, labels and facts; `confusing` is the share whose words come from another queue."""
    random = Random(seed)
    names = sorted(topics)
    texts, labels, facts = [], [], []
    for _ in range(count):
        label = random.choice(names)
        words = topics[random.choice(names) if random.random() < confusing else label]
        parts = random.sample(CHATTER, random.randint(1, 4)) + random.sample(words, random.randint(1, 3))
        random.shuffle(parts)
        texts.append(" ".join(parts))
        labels.append(label)
        plan = random.choice(["basic", "plus", None]) if label != "roaming" else "premium"
        facts.append({"plan": plan, "tenure_months": random.choice([None, random.uniform(0, 90)])})
    return texts, labels, facts


def model(**settings):
    training = {"min_rows": 20, **settings.pop("training", {})}
    return LinearTextModel(training=Training(**training), **settings)


def automation(spec=FACTS):
    return Automation(
        name="triage",
        description="Routes tickets.",
        owners=("ops@example.com",),
        start_date=START.date(),
        sources={"desk": {"connector": "file", "provides": "tickets", "path": "tickets.csv"}},
        features=spec,
    )


@cache
def small() -> tuple[Fitted, pa.Table, tuple[str, ...]]:
    """A fit over 600 tickets with customer facts, and 200 new ones with their labels."""
    texts, labels, facts = tickets(800)
    features = table(texts, facts=facts, spec=FACTS)
    fitted = fit(features.slice(0, 600), labels[:600], model=model(), features_spec=FACTS, queues=tuple(TOPICS))
    return fitted, features.slice(600), tuple(labels[600:])


@cache
def small_files() -> dict[str, bytes]:
    """The exported version of `small`."""
    return small_version("snap1")


def small_version(snapshot_id: str) -> dict[str, bytes]:
    """`small` exported from a snapshot of this name: other content, another version."""
    fitted, new, _ = small()
    return with_golden(export(fitted, automation=automation(), snapshot_id=snapshot_id), new, open_session)
