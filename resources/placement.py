"""Which execution provider runs which node of a graph, read back from the session itself.

What belongs here: the record, its reading from a session, its summary, and the rule that a CUDA session has no CPU node. What does
not: making sessions (`runtime.py`).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from aios_core.errors import ModelError
from aios_core.scoring.model import ScoringModel

RECORD = "session.record_ep_graph_assignment_info"  # the option under which ONNX Runtime keeps what is read here
SHOWN = 5
LISTED = 50
ML = "ai.onnx.ml."
STRINGS = ("StringNormalizer", "TfIdfVectorizer", "StringConcat", "StringSplit", "RegexFullMatch")
SHAPES = (
    "Shape",
    "Size",
    "Concat",
    "Gather",
    "Unsqueeze",
    "Squeeze",
    "Slice",
    "Cast",
    "ReduceProd",
    "Range",
    "ConstantOfShape",
)


class WrongPlacement(ModelError):
    """A node runs elsewhere than the deployment declares."""

    code = "model.placement"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlacement:
    """One node of the graph as it runs, after ONNX Runtime fused and moved what it could."""

    name: str
    operator: str
    provider: str


def placement_of(session: Any) -> tuple[NodePlacement, ...]:
    """Every node of an `onnxruntime.InferenceSession` that was made with the option `RECORD`."""
    return tuple(
        NodePlacement(
            name=node.name,
            operator=f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
            provider=subgraph.ep_name,
        )
        for subgraph in session.get_provider_graph_assignment_info()
        for node in subgraph.get_nodes()
    )


def require_provider(nodes: Sequence[NodePlacement], provider: str) -> None:
    """Raises WrongPlacement that names every node which runs elsewhere, and says what to change.

    A session without any node proves nothing, and is refused too.
    """
    if not nodes:
        raise WrongPlacement(
            f"the session does not say where its nodes run, so {provider} is not proven; use an ONNX Runtime that records it (1.24 "
            "or newer), or declare `accelerator: cpu` for the deployment (AIOS_ACCELERATOR=cpu)"
        )
    elsewhere = [node for node in nodes if node.provider != provider]
    if elsewhere:
        named = ", ".join(f"{told(node)} on {node.provider}" for node in elsewhere[:SHOWN])
        more = f" and {len(elsewhere) - SHOWN} more" if len(elsewhere) > SHOWN else ""
        ways = "; ".join(ways_out([node.operator for node in elsewhere]))
        raise WrongPlacement(
            f"{len(elsewhere)} of {len(nodes)} nodes do not run on {provider}: {named}{more}. {ways}; or declare "
            "`accelerator: cpu` for the model"
        )


def ways_out(operators: Collection[str]) -> list[str]:
    """What to change in a graph so that these operators do not keep their nodes on the CPU."""
    found = []
    if any(operator.startswith(ML) for operator in operators):
        found.append(f"{ML}* has no CUDA kernels: export with dense operators (Gather, Gemm, MatMul, Where, Softmax)")
    if any(operator in STRINGS for operator in operators):
        found.append("strings can't be on the GPU: let the graph take ids, and cut texts before it")
    shaped = any(operator in ("Shape", "Size") for operator in operators)
    if shaped:
        found.append(
            "ONNX Runtime computes shapes on the CPU: export constant shapes (Reshape with 0 and -1 instead of Shape, Gather, Concat)"
        )
    told_of = (*STRINGS, *(SHAPES if shaped else ()))
    if any(not operator.startswith(ML) and operator not in told_of for operator in operators):
        found.append("use types and an operator set that have a CUDA kernel here (float32 or float16 mostly)")
    return found


def told(node: NodePlacement) -> str:
    """A node by its name and operator, as people read it."""
    return f"{node.name or 'unnamed'} ({node.operator})"


def summary(model: ScoringModel) -> dict[str, int]:
    """Provider -> number of nodes over all graphs of a loaded version: what a run keeps."""
    return dict(Counter(node.provider for node in _nodes(model)).most_common())


def listed(model: ScoringModel, limit: int = LISTED) -> dict[str, list[str]]:
    """Provider -> its nodes by name and operator, `limit` of all of them at most: what a run shows beside the numbers."""
    found: dict[str, list[str]] = {}
    for node in islice(_nodes(model), limit):
        found.setdefault(node.provider, []).append(told(node))
    return found


def _nodes(model: ScoringModel) -> Iterator[NodePlacement]:
    return chain.from_iterable(getattr(session, "placement", ()) for session in model.sessions)
