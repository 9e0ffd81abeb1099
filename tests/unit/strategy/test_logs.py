from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import StrategyError
from skep.strategy import Answer, NeedsResponse, StrategyHost, Usage
from skep.strategy.logs import Logs
from skep.strategy.metrics import Metrics
from skep.strategy.queries import Query
from skep.testing.aio import run

FIGURES = {
    "elapsed_ms", "rounds", "llm_calls", "total_prompt_chars", "total_response_chars", "prompt_tokens",
    "response_tokens", "total_tokens",
}  # fmt: skip


async def answer(query):
    return Answer(f"<{query.prompt[:5]}>", Usage(completion_tokens=7))


def session(home, code, **options):
    async def go():
        async with StrategyHost(home=home) as host:
            started = await host.start(code, **options)
            await started.run(answer)
            return started

    return run(go())


def log_of(home, ended):
    return json.loads((home / "logs" / f"{ended.id}.json").read_text())


def test_an_ended_session_has_a_transcript_in_the_published_form(tmp_path):
    ended = session(tmp_path, "alc.llm('é' .. ('x'):rep(200), {system = 's'}) return alc.llm('second')")
    log = log_of(tmp_path, ended)
    assert list(log) == ["session_id", "stats", "strategy", "task_hint", "transcript"]
    assert log["session_id"] == ended.id
    assert log["strategy"] is None
    assert log["task_hint"] == "é" + "x" * 98 + "..."
    assert log["stats"]["llm_calls"] == 2
    first, second = log["transcript"]
    assert second == {
        "query_id": second["query_id"],
        "prompt": "second",
        "system": None,
        "response": "<secon>",
    }
    assert first["system"] == "s"
    meta = json.loads((tmp_path / "logs" / f"{ended.id}.meta.json").read_text())
    assert set(meta) == FIGURES | {"session_id", "strategy", "task_hint", "notes_count"}
    assert meta["response_tokens"] == {"tokens": 14, "source": "provided"}


def test_failed_and_cancelled_sessions_have_one_too(tmp_path):
    failed = session(tmp_path, "alc.llm('p') error('no')")
    assert len(log_of(tmp_path, failed)["transcript"]) == 1

    async def go():
        async with StrategyHost(home=tmp_path) as host:
            cancelled = await host.start("alc.llm('p')")
            assert isinstance(await cancelled.next(), NeedsResponse)
            await cancelled.evict()
            await cancelled.cancel()
            return cancelled

    assert log_of(tmp_path, run(go()))["transcript"][0]["response"] is None


def test_nothing_is_written_where_nothing_was_asked_or_it_is_off(tmp_path, monkeypatch):
    session(tmp_path, "return 1")
    monkeypatch.setenv("ALC_LOG_LEVEL", "off")
    session(tmp_path, "alc.llm('p')")
    assert not (tmp_path / "logs").exists()


def test_a_log_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "logs").write_text("in the way")
    ended = session(tmp_path, "return alc.llm('p')")
    assert ended.end.result == "<p>"
    assert "cannot be" in ended.transcript_warning


def test_notes(tmp_path):
    ended = session(tmp_path, "alc.llm('p')")
    logs = Logs(tmp_path)
    assert logs.note(ended.id, "one") == 1
    assert logs.note(ended.id, "two", "title") == 2
    assert [(note["title"], note["content"]) for note in logs.read(ended.id)["notes"]] == [
        (None, "one"), ("title", "two"),
    ]  # fmt: skip
    assert logs.every()[0]["notes_count"] == 2
    with pytest.raises(StrategyError, match="Log file not found for session 's-none'"):
        logs.note("s-none", "x")
    with pytest.raises(StrategyError, match="Invalid session id"):
        logs.read("../x")
    with pytest.raises(StrategyError, match="at most"):
        logs.note(ended.id, "x" * 200_000)


def metrics_of(prompts):
    metrics = Metrics(started_at=0)
    for number, prompt in enumerate(prompts):
        metrics.asked([Query(id=f"q{number}", prompt=prompt)], 0)
        metrics.answered(f"q{number}", Answer("r"), 0)
    return metrics


def wrote(logs, session_id, prompts, strategy=None):
    metrics = metrics_of(prompts)
    logs.write(session_id, strategy, metrics, metrics.stats(10)["auto"])


@given(st.lists(st.text(max_size=50), min_size=1, max_size=30), st.integers(1, 5_000))
def test_a_view_is_short_enough_and_drops_the_oldest(tmp_path_factory, prompts, most):
    logs = Logs(tmp_path_factory.mktemp("home"))
    wrote(logs, "s", prompts)
    whole = logs.view("s", 0)
    shown = logs.view("s", most)
    rounds = [one["prompt"] for one in shown["transcript"]]
    assert rounds == prompts[len(prompts) - len(rounds) :]
    if shown.get("truncated"):
        assert (shown["original_rounds"], shown["returned_rounds"]) == (len(prompts), len(rounds))
        assert not rounds or len(json.dumps(shown, indent=2, ensure_ascii=False)) <= most + 100
    else:
        assert shown == whole


def test_list_and_stats(tmp_path):
    logs = Logs(tmp_path)
    assert logs.stats() == {"total_sessions": 0, "strategies": {}}
    for number, strategy in enumerate(("cot", "cot", None)):
        wrote(logs, f"s{number}", ["p" * (number + 1)] * (number + 1), strategy)
        os.utime(tmp_path / "logs" / f"s{number}.meta.json", (number + 1, number + 1))
    assert [meta["session_id"] for meta in logs.every()] == ["s2", "s1", "s0"]
    assert len(logs.every(2)) == 2
    stats = logs.stats()
    assert stats["total_sessions"] == 3
    assert stats["strategies"]["cot"] == {
        "count": 2, "avg_elapsed_ms": 10, "avg_llm_calls": 2, "avg_rounds": 0, "total_prompt_chars": 5,
        "total_response_chars": 3, "total_prompt_tokens": 3, "total_response_tokens": 3, "total_tokens": 6,
    }  # fmt: skip
    assert list(stats["strategies"]) == ["cot", "unknown"]
    assert logs.stats("cot")["total_sessions"] == 2
    assert logs.stats(days=1)["total_sessions"] == 0


def test_figures_of_older_files_are_plain_numbers_or_missing(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "old.meta.json").write_text('{"session_id": "old", "prompt_tokens": 3}')
    found = Logs(tmp_path).stats()["strategies"]["unknown"]
    assert (found["total_prompt_tokens"], found["total_tokens"]) == (3, 0)


def test_a_corrupt_log_is_named(tmp_path):
    logs = Logs(tmp_path)
    wrote(logs, "s", ["p"])
    for name in ("s.json", "s.meta.json"):
        (tmp_path / "logs" / name).write_text("{")
    with pytest.raises(StrategyError, match=r"s\.json: is no log"):
        logs.read("s")
    with pytest.raises(StrategyError, match=r"s\.meta\.json: is no log"):
        logs.every()
