"""`Model` against an endpoint on loopback, well-behaved and hostile."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from endpoints import STREAM, Endpoint, completion, event, forever, in_turn, piece, saying, whole
from skep.secrets import Secret
from skep.strategy import Answer, Error, Query, StrategyHost, Usage
from skep.strategy.answerers import Model
from skep.testing.aio import in_loop

KEY = "key-of-the-test"
SOON = "retry-after-ms: 1"


def query(**fields):
    return Query(**{"id": "q1-0", "prompt": "Why?", **fields})


async def asked(reply, query_=None, **options):
    """What `Model` makes of an endpoint's reply, and the endpoint."""
    async with Endpoint(reply) as endpoint, Model(endpoint.url, "small", **options) as model:
        return await model(query_ or query()), endpoint


def ignored(_query, _piece):
    pass


# -- well-behaved ------------------------------------------------------------------------------


@in_loop
async def test_one_query_is_one_call_with_all_its_options():
    given = query(
        system="Be brief.", max_tokens=9, options={"temperature": 0.5, "odd": [1], "cache_key": "k"}
    )
    answer, endpoint = await asked("Because.", given, key=Secret(KEY), options={"seed": 7, "temperature": 1})
    assert answer == Answer("Because.", Usage(prompt_tokens=7, completion_tokens=3))
    [request] = endpoint.requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "small",
        "max_tokens": 9,
        "seed": 7,
        "temperature": 0.5,
        "odd": [1],
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
    }


@in_loop
async def test_a_query_may_name_another_model_and_limit():
    given = query(options={"model": "large", "max_completion_tokens": 5})
    _, endpoint = await asked("fine", given, limit_option="max_completion_tokens")
    body = endpoint.requests[0].body
    assert (body["model"], body["max_completion_tokens"]) == ("large", 5)
    assert "max_tokens" not in body


@in_loop
async def test_a_query_may_not_change_what_a_call_is():
    for name in ("messages", "stream", "stream_options", "n"):
        answer, endpoint = await asked("fine", query(options={name: 5}))
        assert answer == Error(f"model_bad_option: {name} cannot be chosen by a query")
        assert not endpoint.requests


def test_nothing_meant_for_another_endpoint_is_sent(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "meant-for-another")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: meant-for-another\nX-Own: meant-for-another")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/meant-for-another")

    @in_loop
    async def ask():
        cookie = "set-cookie: it=comes-back; path=/"
        async with Endpoint(in_turn(whole(completion("fine"), headers=[cookie]))) as endpoint:
            async with Model(endpoint.url, "small") as model:
                assert isinstance(await model(query()), Answer)
                assert isinstance(await model(query()), Answer)
            for request in endpoint.requests:
                assert "meant-for-another" not in str(request.headers)
                assert not {"authorization", "cookie", "openai-organization"} & request.headers.keys()
            assert len(endpoint.requests) == 2

    ask()


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    @in_loop
    async def ask():
        answer, _ = await asked("fine", retries=0)
        assert answer.text == "fine"

    ask()


@in_loop
async def test_pieces_are_handed_on_as_they_come():
    pieces = []
    first_seen = asyncio.Event()

    async def reply(request, send):
        await send(STREAM + piece("Be"))
        await first_seen.wait()
        await send(piece("cause.", finish="stop"))
        await send(event({"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 1}}))
        await send(event(b"[DONE]"))

    def partial(about, text):
        pieces.append((about.id, text))
        first_seen.set()

    answer, endpoint = await asked(reply, partial=partial)
    assert answer == Answer("Because.", Usage(prompt_tokens=2, completion_tokens=1))
    assert pieces == [("q1-0", "Be"), ("q1-0", "cause.")]
    assert endpoint.requests[0].body["stream"] is True


@in_loop
async def test_no_more_queries_are_under_way_than_may_be():
    under_way, most = 0, 0
    full, go_on = asyncio.Event(), asyncio.Event()

    async def reply(request, send):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 2:
            full.set()
        await go_on.wait()
        under_way -= 1
        await send(whole(completion(request.body["messages"][0]["content"])))

    async with Endpoint(reply) as endpoint, Model(endpoint.url, "small", concurrency=2) as model:
        asking = [asyncio.create_task(model(query(prompt=str(n)))) for n in range(6)]
        await full.wait()
        go_on.set()
        assert [answer.text for answer in await asyncio.gather(*asking)] == list("012345")
    assert most == 2


@in_loop
async def test_a_strategy_is_answered_and_its_tokens_are_counted():
    async with Endpoint("42") as endpoint, Model(endpoint.url, "small") as model:
        host = StrategyHost()
        end = await host.run("return alc.llm('What is it?', {temperature = 0})", answer=model)
        await host.close()
    assert end.result == "42"
    auto = json.dumps(end.stats)
    assert '"tokens": 7' in auto
    assert '"definite"' in auto or '"provided"' in auto
    assert endpoint.requests[0].body["temperature"] == 0


# -- tried again -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Oh", "503 Not Now"])
@pytest.mark.parametrize("wait", [SOON, "retry-after: 0.001"])
@in_loop
async def test_what_passes_is_tried_again_when_the_endpoint_says(status, wait):
    answer, endpoint = await asked(in_turn(whole({}, status, [wait]), whole(completion("fine"))))
    assert answer.text == "fine"
    assert len(endpoint.requests) == 2


@in_loop
async def test_what_does_not_pass_is_an_error_after_so_many_tries():
    answer, endpoint = await asked(in_turn(whole({"why": "broken"}, "500 Oh", [SOON])), retries=3)
    assert answer.message.startswith("model_unavailable: Error code: 500")
    assert len(endpoint.requests) == 4


@in_loop
async def test_who_says_to_come_back_tomorrow_is_not_asked_again():
    answer, endpoint = await asked(in_turn(whole({}, "429 Too Many Requests", ["retry-after: 86400"])))
    assert answer.message.startswith("model_unavailable: Error code: 429")
    assert len(endpoint.requests) == 1


@in_loop
async def test_waiting_for_the_next_try_is_within_the_time_of_the_query():
    answer, endpoint = await asked(in_turn(whole({}, "503 Not Now", ["retry-after: 100"])), timeout=0.2)
    assert answer == Error("model_timeout: no answer within 0.2 s")
    assert len(endpoint.requests) == 1


# -- hostile -----------------------------------------------------------------------------------


@pytest.mark.parametrize("partial", [None, ignored])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", STREAM, STREAM + piece("Be")])
@in_loop
async def test_an_endpoint_that_stalls_is_left(start, partial):
    async def reply(request, send):
        await send(start)
        await forever(request, send)

    answer, _ = await asked(reply, timeout=0.2, partial=partial)
    assert answer == Error("model_timeout: no answer within 0.2 s")


@pytest.mark.parametrize("partial", [None, ignored])
@in_loop
async def test_who_gives_up_hangs_up(partial):
    async with Endpoint(forever) as endpoint, Model(endpoint.url, "small", partial=partial) as model:
        asking = asyncio.create_task(model(query()))
        while not endpoint.requests:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await endpoint.gone.wait()


GARBAGE = [
    b"",
    b"<html>",
    b"\x00\xff\xfe",
    b"null",
    b"[]",
    b"[" * 100_000,
    b'{"choices": 5}',
    b'{"choices": [5]}',
    b'{"choices": [{"message": {"content": 5}}]}',
    b'{"choices": [{"message": {"content": "\\ud800"}}]}',
    b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": -1}}',
]


@pytest.mark.parametrize("garbage", [*GARBAGE, b"{}", b'{"choices": []}'])
@in_loop
async def test_garbage_is_told_from_an_answer(garbage):
    answer, _ = await asked(saying(whole(garbage)))
    assert answer.message.startswith("model_garbled: ")
    assert len(answer.message) < 500


@pytest.mark.parametrize("garbage", GARBAGE)
@in_loop
async def test_garbage_in_a_stream_is_told_from_an_answer(garbage):
    garbage = garbage.replace(b"message", b"delta")
    answer, _ = await asked(
        saying(STREAM + piece("Be"), event(garbage), piece(finish="stop")), partial=ignored
    )
    assert answer.message.startswith("model_garbled: ")


@pytest.mark.parametrize(
    "end", [b"", event(b"[DONE]"), b"data: {\n\n", b"\r\n\r\n\xff\n\n", whole(completion("x"))]
)
@in_loop
async def test_a_stream_that_ends_before_the_answer_does_is_no_answer(end):
    answer, _ = await asked(saying(STREAM + piece("Be") + end), partial=ignored)
    assert answer.message.startswith("model_garbled: ")


@in_loop
async def test_an_error_in_a_stream_is_told():
    answer, _ = await asked(saying(STREAM + event({"error": {"message": "out of memory"}})), partial=ignored)
    assert answer == Error("model_unavailable: out of memory")


@pytest.mark.parametrize(("off", "kind"), [(50, "model_unreachable"), (-50, "model_garbled")])
@in_loop
async def test_who_lies_about_the_length_is_found_out(off, kind):
    data = json.dumps(completion("fine")).encode()
    answer, _ = await asked(saying(whole(data, length=len(data) + off)), retries=0)
    assert answer.message.startswith(f"{kind}: ")


@pytest.mark.parametrize("partial", [None, ignored])
@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 400 No\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 500 Oh\r\nconnection: close\r\n\r\n",
        STREAM + b"data: ",
    ],
)
@in_loop
async def test_an_endless_response_is_left_at_the_limit(start, partial):
    async def reply(request, send):
        await send(start)
        while True:
            await send(b"x" * 65_536)

    answer, endpoint = await asked(reply, max_bytes=1_000_000, partial=partial, retries=0)
    assert answer == Error("model_too_big: the response has more than 1,000,000 bytes")
    assert len(endpoint.requests) == 1
    assert endpoint.sent < 20_000_000


@in_loop
async def test_by_default_fifty_megabytes_are_too_much():
    answer, _ = await asked(saying(whole(completion("x" * 50_000_000))))
    assert answer == Error("model_too_big: the response has more than 16,777,216 bytes")


@in_loop
async def test_an_endless_head_is_left():
    async def reply(request, send):
        await send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await send(b"x-more: " + b"x" * 60_000 + b"\r\n")

    answer, _ = await asked(reply, retries=0)
    assert answer.message.startswith("model_unreachable: ")


@in_loop
async def test_nothing_is_unpacked():
    packed = gzip.compress(b" " * 50_000_000)
    answer, endpoint = await asked(saying(whole(packed, headers=["content-encoding: gzip"])))
    assert answer == Error("model_garbled: a compressed response, which nobody asked for")
    assert endpoint.requests[0].headers["accept-encoding"] == "identity"


@in_loop
async def test_nobody_is_sent_elsewhere_with_the_key():
    async with Endpoint("fine") as other:
        location = f"location: {other.url}/chat/completions"
        answer, _ = await asked(saying(whole({}, "307 There", [location])), key=Secret(KEY))
        assert answer.message.startswith("model_refused: Error code: 307")
        assert not other.requests


@pytest.mark.parametrize(("status", "kind"), [("401 No", "model_refused"), ("500 Oh", "model_unavailable")])
@in_loop
async def test_a_key_that_comes_back_in_an_error_goes_no_further(status, kind):
    body = {"error": {"message": f"{'x' * 250} no such key: {KEY}"}}
    answer, _ = await asked(saying(whole(body, status)), key=Secret(KEY), retries=0)
    assert answer.message.startswith(f"{kind}: ")
    assert KEY[:8] not in answer.message


@in_loop
async def test_nobody_there_is_told():
    async with Endpoint("fine") as endpoint:
        pass
    async with Model(endpoint.url, "small", retries=0) as model:
        answer = await model(query())
    assert answer.message.startswith("model_unreachable: ")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"message": {"content": None, "refusal": "I will not."}}, "model_refused: I will not."),
        (
            {"message": {"content": "x"}, "finish_reason": "content_filter"},
            "model_refused: by the content filter",
        ),
        (
            {"message": {"content": ""}, "finish_reason": "length"},
            "model_empty: no text came (finish_reason length)",
        ),
        ({"finish_reason": "tool_calls"}, "model_empty: no text came (finish_reason tool_calls)"),
    ],
)
@in_loop
async def test_no_answer_is_told_from_an_empty_one(choice, said):
    answer, _ = await asked(saying(whole({"choices": [choice]})))
    assert answer == Error(said)
