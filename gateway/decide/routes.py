"""`POST /v1/automations/{name}/decide`.

What belongs here: headers, waiting in line, and the response. What does not: deciding (`decider.py`).

A few decisions are worked on at a time, in threads of their own, and a few more may wait; who would wait longer is turned
away at once. So the console's threads are never all taken.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response

from aios_core.errors import RecordError
from gateway.deadlines import MAX_MS
from gateway.decide.model import DecideIn, DecisionOut
from gateway.inference.routes import ERRORS, errors
from gateway.refusals import Refused
from resources.idempotency import KeyInUse, KeyReused
from resources.online import VersionTaken

router = APIRouter(prefix="/v1", tags=["Decisions"])

ERRORS[409] = "Another request with this idempotency key is being worked on, or this ticket version has another content"
ERRORS[422] = "Not a ticket of this automation, or the idempotency key was used for another request"

PATIENCE = 30.0
AT_ONCE = 3
WAITING = 24

Name = Annotated[str, Path(description="The automation", pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="Yours. The same request with the same key is done once, and answered the same for 24 hours",
    ),
]
Timeout = Annotated[
    int | None,
    Header(
        alias="X-Request-Timeout-Ms", ge=1, le=MAX_MS, description="Milliseconds that the caller is willing to wait"
    ),
]


class Line:
    """Threads for decisions, and how many may wait for one."""

    def __init__(self, decide: Callable[[Any], Any], *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._decide = decide
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="decide")
        self._most = at_once + waiting
        self._inside = 0

    async def work(self, asked: Any) -> Any:
        """The decision. Raises Refused where too many are inside, and whatever deciding raises."""
        if self._inside >= self._most:
            raise Refused(
                429, "decide.busy", "more decisions are asked for than can be made; try again later", retry_after=1
            )
        self._inside += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._decide, asked)
        # counted until the work itself has ended, whether or not somebody still waits for it
        future.add_done_callback(lambda _: self._left())
        return await asyncio.shield(future)

    def _left(self) -> None:
        self._inside -= 1

    def close(self) -> None:
        """Let nobody in any more; what is being recorded is finished."""
        self._threads.shutdown(wait=True, cancel_futures=True)


@router.post(
    "/automations/{name}/decide",
    name="Decide one ticket",
    response_model=DecisionOut,
    responses=errors(400, 401, 404, 409, 413, 422, 429, 500, 503, 504),
)
async def decide(
    request: Request, name: Name, given: DecideIn, idempotency_key: Key = None, timeout_ms: Timeout = None
) -> Response:
    """Features, score, rules and policy as the batch path has them, for one ticket.

    What a model or a person has decided on this version of the ticket stays, and is given back as `existing`. With
    `record: false` nothing is read of earlier decisions and nothing is written.
    """
    from gateway.decide.decider import Asked

    state = request.scope["state"]
    seconds = PATIENCE if timeout_ms is None else timeout_ms / 1000
    asked = Asked(
        automation=name,
        given=given,
        caller=state["key"],
        deadline=state["arrived"] + seconds,
        correlation=state["trace"].correlation_id if state["trace"].given else None,
        idempotency_key=idempotency_key,
    )
    try:
        found = await request.app.state.line.work(asked)
    except KeyInUse as error:
        raise Refused(409, error.code, str(error), retry_after=1) from error
    except KeyReused as error:
        raise Refused(422, error.code, str(error)) from error
    except VersionTaken as error:
        raise Refused(409, error.code, str(error)) from error
    except RecordError as error:
        raise Refused(422, error.code, str(error)) from error
    headers = {
        "x-correlation-id": found.correlation_id,
        "x-aios-decision": found.decision_id,
        "x-aios-model": found.model_name,
        "x-aios-model-version": str(found.model_version),
        "server-timing": f"decide;dur={(perf_counter() - state['arrived']) * 1000:.1f}",
    }
    if found.replayed:
        headers["idempotency-replayed"] = "true"
    return Response(found.body, media_type="application/json", headers=headers)
