"""A tiny BERT with random weights as a sentence-transformers folder, and the same forward pass in plain numpy."""

import json
import math
from functools import cache

import numpy as np
from safetensors.numpy import save
from scipy.special import erf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from aios_core.automation import CascadeModel, EncoderModel, EncoderSettings, Training
from aios_core.training.encoder.fit import prepare
from aios_core.training.trainers import Task, Trained, train
from resources.runtime import open_session
from tests.aios_core.training.making import CHATTER, FACTS, TOPICS, automation, table, tickets

HIDDEN, HEADS, LAYERS, WIDE, POSITIONS = 32, 4, 2, 64, 64
MAX_TOKENS = 24
WORDS = sorted({word for texts in [*TOPICS.values(), CHATTER] for text in texts for word in text.lower().split()})
LETTERS = "abcdefghijklmnopqrstuvwxyz'!"
CONFIG = {
    "model_type": "bert",
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": POSITIONS,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}
POOLING = {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
MODULES = [
    {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]


def tokenizer():
    """Word pieces as BERT has them, with a truncation and a padding that must not be obeyed."""
    terms = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {term: number for number, term in enumerate(dict.fromkeys(terms))}
    found = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    found.normalizer = normalizers.BertNormalizer(lowercase=True)
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    found.enable_truncation(8)
    found.enable_padding(length=8)
    return found


@cache
def weights():
    rng, size = np.random.default_rng(3), tokenizer().get_vocab_size()
    shapes = {
        "embeddings.word_embeddings.weight": (size, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    dense = {"attention.self.query": (HIDDEN, HIDDEN), "attention.self.key": (HIDDEN, HIDDEN),
             "attention.self.value": (HIDDEN, HIDDEN), "attention.output.dense": (HIDDEN, HIDDEN),
             "intermediate.dense": (WIDE, HIDDEN), "output.dense": (HIDDEN, WIDE)}  # fmt: skip
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name, shape in dense.items():
            shapes |= {f"{at}{name}.weight": shape, f"{at}{name}.bias": shape[:1]}
        norms += [f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"]
    found = {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    found["embeddings.word_embeddings.weight"] *= 5  # what a text says must outweigh where it says it
    for name in norms:
        found[f"{name}.weight"] = rng.uniform(0.5, 1.5, HIDDEN).astype(np.float32)
        found[f"{name}.bias"] = rng.normal(0, 0.1, HIDDEN).astype(np.float32)
    return found


def folder(**changes):
    """The folder's files; a change of None takes a file out."""
    files = {
        "tokenizer.json": tokenizer().to_str().encode(),
        "config.json": json.dumps(CONFIG).encode(),
        "modules.json": json.dumps(MODULES).encode(),
        "1_Pooling/config.json": json.dumps(POOLING).encode(),
        "model.safetensors": save(weights()),
        "NOTICE": b"Made by a test.",
    }
    return {name: content for name, content in (files | changes).items() if content is not None}


def vectors(ids, config=None, given=None):
    """Token vectors of one sequence, after Devlin et al. (2019), by numpy in double precision."""
    config = config or CONFIG
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    w = {name: value.astype(np.float64) for name, value in (given or weights()).items()}

    def normalised(x, name):
        centered = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centered**2).mean(axis=-1, keepdims=True) + config["layer_norm_eps"])
        return centered / scale * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = normalised(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        at, size = f"encoder.layer.{layer}.", hidden // heads
        query, key, value = (
            dense(x, f"{at}attention.self.{name}").reshape(-1, heads, size).swapaxes(0, 1)
            for name in ("query", "key", "value")
        )
        scores = np.exp(query @ key.swapaxes(1, 2) / math.sqrt(size))
        seen = (scores / scores.sum(axis=-1, keepdims=True) @ value).swapaxes(0, 1).reshape(-1, hidden)
        x = normalised(x + dense(seen, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        wide = dense(x, f"{at}intermediate.dense")
        x = normalised(
            x + dense(wide * (1 + erf(wide / math.sqrt(2))) / 2, f"{at}output.dense"), f"{at}output.LayerNorm"
        )
    return x


def embedding(text):
    """What the folder's makers would say of a text, in windows where it is long."""
    plain = tokenizer()
    plain.no_truncation()
    plain.no_padding()
    ids = plain.encode(text, add_special_tokens=False).ids
    first, last = plain.token_to_id("[CLS]"), plain.token_to_id("[SEP]")
    room = MAX_TOKENS - 2
    parts = [[first, *ids[start : start + room], last] for start in range(0, max(len(ids), 1), room)]
    mean = np.concatenate([vectors(part) for part in parts]).mean(axis=0)
    return mean / np.linalg.norm(mean)


def settings(precision="fp32", **others):
    return EncoderSettings(folder="tiny", precision=precision, max_tokens=MAX_TOKENS, **others)


@cache
def prepared(precision="fp32"):
    return prepare(folder(), settings(precision), accelerator="cpu", open_session=open_session)


def encoder_model(precision):
    return EncoderModel(kind="encoder", training=Training(min_rows=20), **settings(precision).model_dump())


def cascade_model(precision, **others):
    """The fast model need only reach what a world with confusing tickets allows."""
    own = {"fast_accuracy": 0.985} | others
    return CascadeModel(kind="cascade", training=Training(min_rows=20), encoder=settings(precision), **own)


@cache
def rows():
    """700 tickets to learn from, labels aligned, and 100 new ones with theirs."""
    texts, labels, facts = tickets(800, confusing=0.06)
    features = table(texts, facts=facts, spec=FACTS)
    return features.slice(0, 700), labels[:700], features.slice(700), labels[700:]


def task(model, features=None, labels=None):
    learnt, known, _, _ = rows()
    return Task(
        features=learnt if features is None else features,
        labels=known if labels is None else labels,
        automation=automation().model_copy(update={"model": model}),
        snapshot_id="snap1",
        open_session=open_session,
        read_folder=lambda named: folder(),
        progress=lambda message: None,
    )


@cache
def trained(kind: str, precision: str) -> Trained:
    return train(task({"encoder": encoder_model, "cascade": cascade_model}[kind](precision)))
