"""The rows of the table: what is measured, against whom, and what is to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """A script that runs in a fresh process and prints one JSON object of numbers."""

    name: str
    script: str
    args: tuple[str, ...]
    peer: bool = False
    """Runs in the peers' virtual environment."""


@dataclass(frozen=True)
class AtMost:
    """Our median is at most `limit`."""

    limit: float


@dataclass(frozen=True)
class Faster:
    """The rival's number is at least `factor` times ours (all numbers here: less is better)."""

    factor: float


@dataclass(frozen=True)
class Within:
    """Our number is at most `factor` times the rival's."""

    factor: float


Target = AtMost | Faster | Within


@dataclass(frozen=True)
class Row:
    """One line. The target is judged against `rival`; `others` are measured beside it and shown."""

    key: str
    what: str
    metric: str
    """Which of the probes' numbers; less is better."""
    unit: str
    target: Target | None
    ours: Probe
    rival: Probe | None = None
    others: tuple[Probe, ...] = ()
    slow: bool = False
    """Takes minutes: only with `--long`, and once."""
    note: str = ""


@dataclass(frozen=True)
class Scale:
    """How much each probe does; the quick one is for trying out, its verdicts are not."""

    steps: int = 2_000
    lanes: int = 1_000
    runs: int = 100
    run_steps: int = 20
    processes: int = 1_000
    tasks: int = 100_000
    turns: int = 200
    starts: int = 15
    calls: int = 1_000
    lines: int = 1_000_000
    attempts: int = 200
    checks: int = 50_000
    questions: int = 10_000
    waiters: int = 1_000
    million: int = 1_000_000


FULL = Scale()
QUICK = Scale(
    steps=300,
    lanes=200,
    runs=20,
    run_steps=5,
    processes=100,
    tasks=10_000,
    turns=40,
    starts=3,
    calls=100,
    lines=100_000,
    attempts=40,
    checks=5_000,
    questions=500,
    waiters=100,
    million=30_000,
)


def langgraph(name: str, *args: object) -> Probe:
    return Probe(f"LangGraph, {name}", "peer_langgraph.py", tuple(map(str, args)), peer=True)


def skep(script: str, *args: object, name: str = "skep") -> Probe:
    return Probe(name, script, tuple(map(str, args)))


def starting(name: str, *command: object, peer: bool = False) -> Probe:
    return Probe(name, "starting.py", tuple(map(str, command)), peer=peer)


def rows(scale: Scale) -> Sequence[Row]:
    """All rows, in the order of the table."""
    return (
        *steps(scale),
        *fanouts(scale),
        *authority(scale),
        *processes(scale),
        *programs(scale),
        *layers(scale),
        *lua_in_process(scale),
        *lua_children(scale),
        *sizes(scale),
        *starts(scale),
    )


def steps(scale: Scale) -> Sequence[Row]:
    n = scale.steps
    floor = skep("commit_floor.py", n, name="one raw commit through a writer thread")
    return (
        Row(
            "memory-step",
            "one in-memory step, the full path",
            "us_per_step",
            "us",
            AtMost(20),
            skep("ours_chain.py", "memory", "group", n),
            Probe("pydantic-graph", "peer_pydantic_graph.py", (str(n),), peer=True),
            (
                langgraph("ainvoke, no checkpointer", "chain", "async", "none", "-", n),
                langgraph("invoke, no checkpointer", "chain", "sync", "none", "-", n),
                langgraph("ainvoke, InMemorySaver", "chain", "async", "saver", "async", n),
                skep("sketch.py", n, name="a bare sketch of the hot path, no engine"),
            ),
            note="the target was set where the bare sketch took 7 us and pydantic-graph 86 us.",
        ),
        Row(
            "chain-group",
            "one step of a durable chain, `group`",
            "us_per_step",
            "us",
            Faster(25),
            skep("ours_chain.py", "sqlite", "group", n),
            langgraph("`async`, AsyncSqliteSaver", "chain", "async", "sqlite", "async", n),
            (
                langgraph("`async`, invoke, SqliteSaver", "chain", "sync", "sqlite", "async", n),
                Probe("DBOS, async steps", "peer_dbos.py", ("async", str(n)), peer=True),
                Probe("DBOS, sync steps", "peer_dbos.py", ("sync", str(n)), peer=True),
            ),
        ),
        Row(
            "chain-step",
            "one step of a durable chain, `step`",
            "us_per_step",
            "us",
            Faster(4),
            skep("ours_chain.py", "sqlite", "step", n),
            langgraph("`sync`, AsyncSqliteSaver", "chain", "async", "sqlite", "sync", n),
            (langgraph("`sync`, invoke, SqliteSaver", "chain", "sync", "sqlite", "sync", n), floor),
        ),
        Row(
            "step-p50",
            "one durable step alone, p50",
            "p50_us",
            "us",
            Within(2),
            skep("ours_chain.py", "sqlite", "step", n),
            floor,
        ),
        Row(
            "many-runs",
            f"one durable step, `step`, {scale.runs} runs at once",
            "us_per_step",
            "us",
            Faster(20),
            skep("ours_many.py", scale.runs, scale.run_steps),
            langgraph("`sync`, AsyncSqliteSaver", "many", "async", scale.runs, scale.run_steps),
            (langgraph("`sync`, a thread each, SqliteSaver", "many", "sync", scale.runs, scale.run_steps),),
        ),
        Row(
            "million",
            "one step after a million, against one of the first thousands",
            "late_over_early",
            "x",
            AtMost(1.1),
            skep("ours_million.py", scale.million),
            slow=True,
            note="late is the last tenth of one run (`group`, SQLite), early the beginning of short runs before"
            " and after it; medians over windows of 1,000 steps",
        ),
    )


def fanouts(scale: Scale) -> Sequence[Row]:
    n = scale.lanes
    return (
        Row(
            "fanout-memory",
            f"fan-out of {n:,} with `select`, in memory",
            "ms",
            "ms",
            AtMost(60),
            skep("ours_fanout.py", "memory", n),
            langgraph("Send, ainvoke, no checkpointer", "fanout", "async", "none", n),
            (
                langgraph("Send, invoke, no checkpointer", "fanout", "sync", "none", n),
                langgraph("Send, ainvoke, InMemorySaver", "fanout", "async", "saver", n),
            ),
        ),
        Row(
            "fanout-sqlite",
            f"fan-out of {n:,} with `select`, SQLite",
            "ms",
            "ms",
            AtMost(90),
            skep("ours_fanout.py", "sqlite", n),
            langgraph("Send, ainvoke, AsyncSqliteSaver", "fanout", "async", "sqlite", n),
            (langgraph("Send, invoke, SqliteSaver", "fanout", "sync", "sqlite", n),),
        ),
    )


def authority(scale: Scale) -> Sequence[Row]:
    tokens = skep("ours_tokens.py", scale.checks)
    memory = skep("ours_questions.py", "memory", scale.questions)
    sqlite = skep("ours_questions.py", "sqlite", scale.questions)
    floor = skep("commit_floor.py", scale.steps, name="one raw commit through a writer thread")
    return (
        Row(
            "token-grant", "`verify_token`, in this process, unsigned", "grant_us", "us", AtMost(1.5), tokens
        ),
        Row("token-wire", "`verify_token`, from a token's text", "wire_us", "us", AtMost(6), tokens),
        Row(
            "token-first",
            "`verify_token`, a text that was not seen before",
            "first_us",
            "us",
            None,
            tokens,
        ),
        Row(
            "answer-memory",
            f"one answer, {scale.questions:,} questions open in the run, in memory",
            "p50_us",
            "us",
            AtMost(300),
            memory,
            others=(
                skep("ours_questions.py", "memory", scale.questions // 10, name="skep, a tenth of them"),
            ),
        ),
        Row(
            "answer-together",
            "the same on SQLite, forty answers at once",
            "together_us",
            "us",
            AtMost(300),
            sqlite,
        ),
        Row(
            "answer-alone",
            "the same on SQLite, one after the other",
            "p50_us",
            "us",
            None,
            sqlite,
            floor,
            note="an answer is told to have been taken when it is durable: the raw commit is the floor.",
        ),
        Row(
            "waiters",
            f"{scale.waiters:,} waiters on one task, woken",
            "ms",
            "ms",
            AtMost(20),
            skep("ours_waiters.py", "memory", scale.waiters),
        ),
    )


def processes(scale: Scale) -> Sequence[Row]:
    n = scale.processes
    raw = "asyncio.create_subprocess_exec"
    return (
        Row(
            "processes",
            "one `/bin/true` worker, 32 at once, on SQLite",
            "us_per_process",
            "us",
            Faster(1),
            skep("ours_processes.py", "subreaper", n),
            skep("raw_processes.py", "default", n, name=f"{raw}, default watcher"),
            (
                skep("raw_processes.py", "pidfd", n, name=f"{raw}, pidfd watcher"),
                skep("ours_processes.py", "library", n, name="skep, not the subreaper"),
            ),
        ),
    )


def programs(scale: Scale) -> Sequence[Row]:
    lines, fewer, attempts = scale.lines, scale.lines // 10, scale.attempts
    bare = "asyncio readline and decode alone"
    return (
        Row(
            "ndjson-partial",
            f"{lines:,} lines of NDJSON from a program into the engine: text as it comes",
            "us_per_line",
            "us",
            Faster(2),
            skep("ours_ndjson.py", "engine", "partial", lines),
            skep("ours_ndjson.py", "readline", "partial", lines, name=bare),
            note="text that is read at once is recorded as one `partial`.",
        ),
        Row(
            "ndjson-progress",
            f"{fewer:,} lines of NDJSON from a program into the engine: each a record of its own",
            "us_per_line",
            "us",
            Faster(2),
            skep("ours_ndjson.py", "engine", "progress", fewer),
            skep("ours_ndjson.py", "readline", "progress", fewer, name=bare),
            (skep("ours_ndjson.py", "engine", "progress", fewer, "sqlite", name="skep, on SQLite"),),
        ),
        Row(
            "persistent",
            "one attempt of a Python program that echoes, two at once: kept for all attempts",
            "us_per_attempt",
            "us",
            Faster(20),
            skep("ours_persistent.py", "persistent", attempts * 10, 2),
            skep("ours_persistent.py", "spawning", attempts, 2, name="the same program, started for each"),
        ),
    )


def layers(scale: Scale) -> Sequence[Row]:
    return (
        Row(
            "layers",
            "ten layers around one attempt, beyond their own work",
            "us_for_layers",
            "us",
            AtMost(5),
            skep("ours_layers.py", 10, scale.calls),
        ),
    )


def lua_children(scale: Scale) -> Sequence[Row]:
    return (
        Row(
            "lua-child",
            "one hook of an untrusted script, to its process and back",
            "p50_us",
            "us",
            AtMost(250),
            skep("ours_lua_child.py", "packed", scale.calls),
            others=(
                skep(
                    "ours_lua_child.py", "spaced", scale.calls, name="skep, half a millisecond between calls"
                ),
            ),
            note="every call has a fresh VM, made once the last reply is out: without a pause it is waited for.",
        ),
    )


def lua_in_process(scale: Scale) -> Sequence[Row]:
    lua = skep("ours_lua.py", scale.calls)
    return (
        Row("lua-vm", "a new Lua VM", "vm_us", "us", AtMost(100), lua),
        Row("lua-vm-memory", "a Lua VM that has run a script", "vm_kib", "KiB", AtMost(40), lua),
        Row("lua-inline", "a before and an after hook, warm VM, inline", "inline_us", "us", AtMost(60), lua),
        Row("lua-thread", "the same in a thread", "thread_us", "us", AtMost(150), lua),
        *lua_layer(scale),
    )


def lua_layer(scale: Scale) -> Sequence[Row]:
    def probe(mode: str, count: int) -> Probe:
        return skep("ours_lua_layer.py", mode, count)

    crowd = probe("crowd", scale.calls)
    return (
        Row(
            "lua-layer",
            "what the Lua layer adds to an attempt, inline",
            "added_us",
            "us",
            AtMost(60),
            probe("inline", scale.calls),
        ),
        Row(
            "lua-layer-thread",
            "the same in a thread",
            "added_us",
            "us",
            AtMost(150),
            probe("thread", scale.calls),
        ),
        Row(
            "lua-crowd", "an attempt among many at once on four VMs in threads", "crowd_us", "us", None, crowd
        ),
        Row(
            "lua-crowd-turn",
            "how far one of them ended out of its turn",
            "displaced",
            "places",
            AtMost(250),
            crowd,
        ),
    )


def sizes(scale: Scale) -> Sequence[Row]:
    tasks, turns = scale.tasks, scale.turns
    return (
        Row(
            "memory-one-run",
            f"memory gained from {tasks // 10:,} to {tasks:,} finished tasks, one run",
            "growth_mib",
            "MiB",
            AtMost(10),
            skep("ours_rss.py", "one", tasks),
        ),
        Row(
            "memory-many-runs",
            f"memory gained from {tasks // 10:,} to {tasks:,} finished tasks, runs of 1,000",
            "growth_mib",
            "MiB",
            AtMost(10),
            skep("ours_rss.py", "many", tasks),
        ),
        Row(
            "disk",
            f"bytes on disk for {turns} turns of 2 KB",
            "mb",
            "MB",
            AtMost(1.5),
            skep("ours_disk.py", turns, 2_048),
            langgraph("messages list", "disk", "full", turns, 2_048),
            (langgraph("messages in a DeltaChannel (beta)", "disk", "delta", turns, 2_048),),
            note="a turn is a step that sees all messages and adds one; the store is closed, then measured.",
        ),
    )


def starts(scale: Scale) -> Sequence[Row]:
    k = scale.starts
    return (
        Row(
            "import",
            "`import skep`, beyond a bare interpreter",
            "beyond_ms",
            "ms",
            AtMost(80),
            starting("skep", k, "{python}", "-c", "import skep"),
            note="skep loads its names when they are first used; the next row is what a program pays.",
        ),
        Row(
            "import-engine",
            "`from skep import Engine`, beyond a bare interpreter",
            "beyond_ms",
            "ms",
            None,
            starting("skep", k, "{python}", "-c", "from skep import Engine"),
            starting(
                "LangGraph (`langgraph.graph`)", k, "{python}", "-c", "import langgraph.graph", peer=True
            ),
            (starting("pydantic-graph", k, "{python}", "-c", "import pydantic_graph", peer=True),),
        ),
        Row(
            "import-whole",
            "a process that does that, from start to end",
            "ms",
            "ms",
            None,
            starting("skep", k, "{python}", "-c", "from skep import Engine"),
            None,
            (starting("a bare interpreter", k, "{python}", "-c", "pass"),),
        ),
        Row(
            "help",
            "`skep --help`, from start to end",
            "ms",
            "ms",
            AtMost(150),
            starting("skep", k, "{bin}/skep", "--help"),
        ),
    )
