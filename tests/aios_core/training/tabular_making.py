"""Small worlds of customers whose facts, and nothing else, say what became of them."""

import math
from functools import cache
from random import Random

from aios_core.automation import Automation, CrmFeature, Features, Queue, TabularModel, Training
from aios_core.training.trainers import Task, Trained, train
from resources.runtime import open_session
from tests.aios_core.training.making import START, table

FACTS = Features(
    text=(),
    customer=(
        CrmFeature(name="tenure", kind="numeric"),
        CrmFeature(name="contract", kind="categorical"),
        CrmFeature(name="charges", kind="numeric"),
    ),
)
TWO, THREE = ("none", "offer"), ("call", "none", "offer")


def customers(count, *, seed=1, queues=TWO):
    """Facts and what became of each customer: short tenure and monthly contracts leave, a tenth at random."""
    random = Random(seed)
    facts, labels = [], []
    for _ in range(count):
        tenure = random.choice([None, random.uniform(0, 70), float(random.randint(0, 70))])
        contract = random.choice(["monthly", "yearly", "two years", None])
        charges = random.lognormvariate(3, 0.7)
        risk = (tenure is None or tenure < 24) + (contract == "monthly") + (charges > 30)
        label = queues[0] if risk < 2 else queues[-1] if risk == 3 or len(queues) == 2 else queues[1]
        labels.append(random.choice(queues) if random.random() < 0.1 else label)
        facts.append({"tenure": tenure, "contract": contract, "charges": charges})
    return facts, labels


ODD = [
    {},
    {"tenure": math.nan, "contract": "never seen", "charges": math.inf},
    {"tenure": -math.inf, "contract": "", "charges": -1e300},
    {"tenure": 1e300, "contract": "MONTHLY", "charges": 0.0},
    {"tenure": -0.0, "contract": "monthly ", "charges": 5e-324},
    {"tenure": 24.0, "contract": "monthly", "charges": 30.0},
]


def rows(facts):
    return table([""] * len(facts), facts=facts, spec=FACTS)


def automation(model, *, queues=TWO, spec=FACTS):
    return Automation(
        name="churn",
        start_date=START.date(),
        sources={"crm": {"connector": "file", "provides": "tickets", "path": "customers.csv"}},
        queues=tuple(Queue(name=name) for name in queues),
        features=spec,
        model=model,
    )


def tabular(**settings):
    return TabularModel(kind="tabular", training=Training(min_rows=20), **settings)


def task(facts, labels, declared, *, folder=None):
    return Task(
        features=rows(facts),
        labels=labels,
        automation=declared,
        snapshot_id="snap1",
        open_session=open_session,
        read_folder=lambda named: folder,
        progress=lambda message: None,
    )


@cache
def trained(estimator: str, queues: tuple[str, ...] = TWO) -> Trained:
    """A candidate of 500 customers."""
    facts, labels = customers(500, queues=queues)
    return train(task(facts, labels, automation(tabular(estimator=estimator, max_iter=30), queues=queues)))
