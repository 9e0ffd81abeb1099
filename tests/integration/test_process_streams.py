"""Real programs that say output events while they run."""

from __future__ import annotations

import asyncio
import sys
import textwrap

import pytest

from skep import Engine, flow
from skep.core.outputs import Artifact, Partial, Progress
from skep.errors import LimitExceeded, RunFailed, WorkerCancelled, WorkerFailed
from skep.flow.process_limits import ProcessLimits
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.values import decode
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.streams import StreamMode

NDJSON = StreamMode.NDJSON_LINES
GOOD = """echo '{"type":"final","content":{"kind":"inline","value":{"n":1}},"ok":true}'"""
NO_FINAL = "streaming mode: no Final event received"


def sh(code, mode=NDJSON, **options):
    return ProcessSpawner("sh", ["-c", code], stream_mode=mode, **options)


def python(code, mode=NDJSON, **options):
    return ProcessSpawner(sys.executable, ["-c", textwrap.dedent(code)], stream_mode=mode, **options)


async def perform(spawner, given=None, **fields):
    attempt = fields.pop("channel", None) or FakeAttempt()
    worker = await spawner.spawn(make_ctx(given, channel=attempt, **fields))
    await worker.join()
    return attempt


async def failure(spawner, given=None, **fields):
    attempt = FakeAttempt()
    worker = await spawner.spawn(make_ctx(given, channel=attempt, **fields))
    with pytest.raises(WorkerFailed) as error:
        await worker.join()
    return error.value, attempt


def artifact(attempt, name):
    (found,) = [event for event in attempt.outputs if isinstance(event, Artifact) and event.name == name]
    return decode(found.content.value)


# -- good streams ------------------------------------------------------------------------------


@in_loop
async def test_a_program_streams_and_its_final_is_the_result():
    attempt = await perform(
        sh(f"""
            echo '{{"type":"progress","stage":"reading"}}'
            printf '{{"type":"partial","chunk":"a"}}\\n{{"type":"partial","chunk":"b"}}\\n'
            echo '{{"type":"artifact","name":"log","content":{{"kind":"inline","value":[1]}}}}'
            {GOOD}
        """)
    )
    assert attempt.finals == [({"n": 1}, True)]
    assert Progress("reading") in attempt.outputs
    assert "".join(event.chunk for event in attempt.outputs if isinstance(event, Partial)) == "ab"
    assert artifact(attempt, "log") == [1]


@in_loop
async def test_events_arrive_while_the_program_runs(tmp_path):
    """The program goes on only once its first event was seen."""
    attempt, flag = FakeAttempt(), tmp_path / "seen"
    code = f"""echo '{{"type":"partial","chunk":"x"}}'; until [ -e {flag} ]; do sleep 0.01; done; {GOOD}"""
    worker = await sh(code).spawn(make_ctx(channel=attempt))
    while not attempt.outputs:
        await asyncio.sleep(0.01)
    assert attempt.outputs == [Partial("x")]
    flag.touch()
    await worker.join()
    assert attempt.finals == [({"n": 1}, True)]


@in_loop
async def test_server_sent_events_and_frames_carry_the_same_events():
    event = '{"type":"final","content":{"kind":"inline","value":[1]}}'
    attempt = await perform(sh(f"printf ': hi\\r\\nevent: x\\r\\ndata: {event}'", StreamMode.SSE_EVENTS))
    assert attempt.finals == [([1], True)]
    attempt = await perform(
        python(
            f"""
            import sys
            data = b'{event}'
            sys.stdout.buffer.write(len(data).to_bytes(4, "big") + data)
            """,
            StreamMode.LENGTH_PREFIXED,
        )
    )
    assert attempt.finals == [([1], True)]


@in_loop
async def test_the_last_of_two_finals_decides():
    second = """echo '{"type":"final","content":{"kind":"inline","value":2},"ok":false}'"""
    attempt = await perform(sh(f"{GOOD}; {second}"))
    assert attempt.finals == [({"n": 1}, True), (2, False)]
    attempt = await perform(sh(f"{second}; {GOOD}"))
    assert attempt.finals[-1] == ({"n": 1}, True)


@in_loop
async def test_a_program_may_take_its_time_after_its_final():
    attempt = FakeAttempt()
    worker = await sh(f"{GOOD}; read line; exit 0 <&-", use_stdin=True).spawn(make_ctx(channel=attempt))
    await worker.join()
    assert attempt.finals == [({"n": 1}, True)]
    error, attempt = await failure(sh(f"{GOOD}; sleep 60", timeout=0.3), grace=1)
    assert "did not end within 0.3 s" in error.what
    assert attempt.finals == [({"n": 1}, True)]


# -- the end -----------------------------------------------------------------------------------


@in_loop
async def test_without_a_final_it_is_blocked_with_a_note():
    attempt = await perform(sh("""echo '{"type":"partial","chunk":"x"}'"""))
    assert attempt.finals == [({"raw": "", "note": NO_FINAL, "exit_success": True}, False)]
    attempt = await perform(sh("echo why >&2; exit 3"))
    assert attempt.finals == [({"raw": "", "note": NO_FINAL, "exit_success": False}, False)]
    assert Progress("exit", "exit code 3") in attempt.outputs
    assert artifact(attempt, "stderr") == "why\n"


@in_loop
async def test_the_exit_code_counts_after_a_good_final():
    error, attempt = await failure(sh(f"{GOOD}; echo disk full >&2; exit 3"))
    assert "sh ended with exit code 3 after its final; stderr ends: disk full" in error.what
    assert artifact(attempt, "stderr") == "disk full\n"


@in_loop
async def test_a_signal_is_named_also_after_a_final():
    error, _ = await failure(sh(f"{GOOD}; kill -SEGV $$"))
    assert "sh was killed by SIGSEGV" in error.what


@in_loop
async def test_a_final_that_says_no_stays_a_result_whatever_the_exit_code():
    attempt = await perform(
        sh("""echo '{"type":"final","content":{"kind":"inline","value":0},"ok":false}'; exit 1""")
    )
    assert attempt.finals == [(0, False)]
    assert Progress("exit", "exit code 1") in attempt.outputs


# -- bad streams -------------------------------------------------------------------------------


@in_loop
async def test_bad_lines_are_counted_and_shown_and_do_not_matter_else():
    attempt = await perform(sh(f"echo Welcome; printf '\\377\\n'; {GOOD}; echo bye"))
    assert attempt.finals == [({"n": 1}, True)]
    found = artifact(attempt, "bad_records")
    assert found["count"] == 3
    assert [text.partition(":")[0] for text in found["first"]] == ["line 1", "line 2", "line 4"]
    shown = [event.note for event in attempt.outputs if isinstance(event, Progress)]
    assert shown == found["first"]


@in_loop
async def test_too_many_bad_lines_end_the_program_and_the_attempt(tmp_path):
    code = f"trap 'echo ended > {tmp_path}/end; exit 0' TERM; yes nonsense & while :; do sleep 0.05; done"
    error, attempt = await failure(sh(code, host_limits=Limits(process_bad_records=5)))
    assert "process_bad_records of 5" in error.what
    assert "line 1: no output event" in error.what
    assert artifact(attempt, "bad_records")["count"] == 6
    assert (tmp_path / "end").exists()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"\0\0\0\0", "frame 1 has a length of 0"),
        (b"\xff\xff\xff\xff{}", "frame 1 has a length of 4,294,967,295"),
        (b"\0\0\0\x10{}", "ends inside frame 1, at least 14 bytes short"),
        (b"\0\0", "ends inside frame 1"),
    ],
)
def test_a_broken_frame_fails_the_attempt_and_says_which(data, named):
    @in_loop
    async def check():
        code = f"import sys; sys.stdout.buffer.write({data!r})"
        error, attempt = await failure(python(code, StreamMode.LENGTH_PREFIXED))
        assert named in error.what
        assert attempt.finals == []

    check()


@in_loop
async def test_a_line_of_100_mb_is_skipped_and_not_held():
    code = """
        import sys
        for _ in range(100):
            sys.stdout.write("x" * 1_000_000)
        print()
        print('{"type":"final","content":{"kind":"inline","value":7}}')
    """
    attempt = await perform(python(code))
    assert attempt.finals == [(7, True)]
    assert "longer than process_record_bytes" in artifact(attempt, "bad_records")["first"][0]


@pytest.mark.parametrize(
    ("mode", "record"),
    [
        (NDJSON, "{}\\n"),
        (StreamMode.SSE_EVENTS, ": comment\\n"),
        (StreamMode.LENGTH_PREFIXED, "\\000\\000\\000\\002{}"),
    ],
)
@in_loop
async def test_what_a_worker_may_say_is_limited(mode, record):
    code = f"while printf '{record}'; do :; done"
    most = ProcessLimits(output_bytes=10_000)
    error, _ = await failure(sh(code, mode, limits=most, host_limits=Limits(process_bad_records=10**6)))
    assert "process_output_bytes of 10,000" in str(error)


@in_loop
async def test_what_the_attempt_refuses_ends_the_program():
    class Full(FakeAttempt):
        def emit_many(self, events):
            if any(isinstance(event, Artifact) for event in events):
                raise LimitExceeded("output_tail", 1_024)
            super().emit_many(events)

    attempt = Full()
    code = """echo '{"type":"artifact","name":"a","content":{"kind":"inline","value":1}}'; sleep 60"""
    worker = await sh(code).spawn(make_ctx(channel=attempt))
    with pytest.raises(WorkerFailed, match="output of sh: LimitExceeded: limit output_tail") as error:
        await worker.join()
    assert isinstance(error.value.__cause__, LimitExceeded)


@in_loop
async def test_nothing_is_delivered_after_a_cancel():
    attempt = FakeAttempt()
    ctx = make_ctx(channel=attempt)
    code = f"""trap '{GOOD.replace("'", '"').replace('"{', "{").replace('}"', "}")}; exit 0' TERM
        echo '{{"type":"partial","chunk":"x"}}'; while :; do sleep 0.02; done"""
    worker = await sh(code).spawn(ctx)
    while not attempt.outputs:
        await asyncio.sleep(0.01)
    ctx.cancel_token.cancel("enough")
    with pytest.raises(WorkerCancelled, match="enough"):
        await worker.join()
    assert attempt.outputs == [Partial("x")]


# -- flood -------------------------------------------------------------------------------------


class Slow(FakeAttempt):
    """A store that takes what was streamed only when told to."""

    def __init__(self):
        super().__init__()
        self.may_drain = asyncio.Event()
        self.waits = 0

    async def drained(self):
        self.waits += 1
        await self.may_drain.wait()


FLOOD = """
    import sys
    line = '{"type":"partial","chunk":"' + "x" * 970 + '"}' + chr(10)
    for number in range(300):
        sys.stdout.write(line * 10)
        sys.stderr.write(f"{number} ")
        sys.stderr.flush()
    print('{"type":"final","content":{"kind":"inline","value":"done"}}')
"""


@in_loop
async def test_the_program_waits_while_the_store_is_behind():
    attempt = Slow()
    spawner = python(FLOOD, host_limits=Limits(process_window=100_000))
    worker = await spawner.spawn(make_ctx(channel=attempt))
    while not attempt.waits:
        await asyncio.sleep(0.01)
    for _ in range(30):
        await asyncio.sleep(0.01)
    assert attempt.waits == 1
    assert sum(len(event.chunk) for event in attempt.outputs) < 500_000
    assert not worker.completion.resolved
    attempt.may_drain.set()
    await worker.join()
    assert attempt.finals == [("done", True)]
    text = "".join(event.chunk for event in attempt.outputs if isinstance(event, Partial))
    assert len(text) == 970 * 3_000
    assert attempt.waits > 10


@in_loop
async def test_nothing_is_lost_of_a_program_that_ended_while_it_was_held_back():
    """Its last words lie in the pipe for longer than the drain grace."""
    attempt = Slow()
    code = f"""printf '%02000d\\n' 1; echo '{{"type":"partial","chunk":"x"}}'; {GOOD}"""
    limits = Limits(process_window=1, process_drain=0.05, process_bad_records=10)
    worker = await sh(f"echo 1; sleep 0.1; {code}", host_limits=limits).spawn(make_ctx(channel=attempt))
    while not attempt.waits:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.4)
    assert not worker.completion.resolved
    attempt.may_drain.set()
    await worker.join()
    assert attempt.finals == [({"n": 1}, True)]


@in_loop
async def test_a_cancel_ends_a_program_that_is_held_back():
    attempt = Slow()
    ctx = make_ctx(channel=attempt)
    worker = await python(FLOOD, host_limits=Limits(process_window=1_000)).spawn(ctx)
    while not attempt.waits:
        await asyncio.sleep(0.01)
    ctx.cancel_token.cancel("enough")
    with pytest.raises(WorkerCancelled):
        await worker.join()


# -- through the engine ------------------------------------------------------------------------


def blueprint(code, **spec):
    spec = {"program": "sh", "args": ["-c", code], "stream_mode": "ndjson_lines", **spec}
    agents = {"cli": {"kind": "subprocess", "spec": spec}}
    return flow.blueprint("streams", flow.step("cli", in_=flow.p.given, out=flow.p.got), agents=agents)


@in_loop
async def test_a_stream_reaches_the_run(tmp_path):
    async with Engine.open(f"sqlite:///{tmp_path}/s.db") as engine:
        handle = await engine.start(blueprint(f"echo hello; {GOOD}"), {"given": 1})
        assert (await handle.result())["got"] == {"n": 1}
        handle = await engine.start(blueprint("true"), {"given": 1})
        with pytest.raises(RunFailed):
            await handle.result()


@in_loop
async def test_a_flood_reaches_the_store_without_a_gap(tmp_path):
    async with Engine.open(f"sqlite:///{tmp_path}/s.db") as engine:
        spec = {
            "program": sys.executable,
            "args": ["-c", textwrap.dedent(FLOOD.replace("range(300)", "range(2000)"))],
        }
        handle = await engine.start(blueprint("", **spec), {"given": 1})
        assert (await handle.result())["got"] == "done"
        assert engine.ledger.journal.stats()["stream_dropped"] == 0
