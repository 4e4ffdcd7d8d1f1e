import httpx
import pytest

from aios_core.errors import ConfigurationError
from resources.connectors.http import (
    HttpClient,
    RetryPolicy,
    SourceDenied,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceUnavailable,
)

OK = httpx.Response(200, json={"fine": True})


class Service:
    """Answers with one response after the other; an exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: object) -> HttpClient:
        return HttpClient(
            name="desk",
            base_url="https://desk.example.com/",
            transport=httpx.MockTransport(self),
            sleep=self.waits.append,
            chance=lambda: 0.5,
            policy=RetryPolicy(attempts=4),
            **options,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    "fault",
    [
        httpx.Response(500, text="oops"),
        httpx.Response(503, text="maintenance"),
        httpx.Response(200, content=b'{"tickets": [{"id": 1, "subj'),
        httpx.Response(200, content=b"[1, 2]"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    ],
)
def test_a_passing_fault_is_retried(fault: httpx.Response | Exception) -> None:
    service = Service(fault, fault, OK)
    assert service.client().get("/x") == {"fine": True}
    assert len(service.waits) == 2
    assert service.waits[1] > service.waits[0] > 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (httpx.Response(502), SourceUnavailable),
        (httpx.ConnectError("refused"), SourceUnavailable),
        (httpx.Response(200, content=b"{"), SourceMalformed),
        (httpx.Response(429, headers={"Retry-After": "7"}), SourceThrottled),
    ],
)
def test_a_lasting_fault_ends_after_the_declared_attempts_with_its_type(fault: object, error: type[Exception]) -> None:
    service = Service(*([fault] * 4))  # type: ignore[list-item]
    with pytest.raises(error, match=r"desk: GET https://desk\.example\.com/x"):
        service.client().get("/x")
    assert service.asked == 4


def test_it_waits_at_least_as_long_as_the_server_asks() -> None:
    service = Service(httpx.Response(429, headers={"Retry-After": "7"}), OK)
    service.client().get("/x")
    assert 7 <= service.waits[0] < 8


def test_a_retry_after_date_is_read_by_the_servers_own_clock() -> None:
    headers = {"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    service = Service(httpx.Response(503, headers=headers), OK)
    service.client().get("/x")
    assert 30 <= service.waits[0] < 31


def test_a_wait_that_is_too_long_for_a_run_is_not_waited() -> None:
    service = Service(httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(SourceThrottled) as raised:
        service.client().get("/x")
    assert raised.value.retry_after == 3600
    assert service.waits == []


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_retried(status: int) -> None:
    service = Service(httpx.Response(status, json={"error": "no"}))
    with pytest.raises(SourceDenied, match="check the credentials"):
        service.client(auth=("agent/token", "hush")).get("/x")
    assert service.asked == 1


def test_a_refusal_carries_its_status_and_what_was_said() -> None:
    service = Service(httpx.Response(422, json={"error": "bad query"}))
    with pytest.raises(SourceRefused, match="bad query") as raised:
        service.client().get("/x")
    assert raised.value.status == 422


def test_a_write_that_may_have_happened_is_not_repeated() -> None:
    service = Service(httpx.ReadTimeout("slow"), OK)
    with pytest.raises(SourceUnavailable):
        service.client().request("POST", "/x", json={}, repeatable=False)
    assert service.asked == 1


def test_a_write_that_was_turned_away_is_repeated() -> None:
    service = Service(httpx.Response(429, headers={"Retry-After": "1"}), OK)
    assert service.client().request("POST", "/x", json={}, repeatable=False) == {"fine": True}


def test_an_address_that_is_no_url_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"desk: `desk\.example\.com` is not a URL"):
        HttpClient(name="desk", base_url="desk.example.com")
