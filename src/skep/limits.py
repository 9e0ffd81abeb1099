"""Every bound of the engine in one table (R-bound)."""

from __future__ import annotations

from msgspec import Struct

KIB = 1024
MIB = 1024 * KIB


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds and their defaults; sizes in bytes, times in seconds unless the name ends in `_ms`."""

    max_value_bytes: int = 64 * MIB
    """A value from outside, encoded as JSON."""
    inline_value_bytes: int = 64 * KIB
    """Above this a value is stored as an artifact and referred to by digest."""
    max_value_depth: int = 100
    """Nesting of arrays and objects in a value."""
    max_blueprint_bytes: int = 4 * MIB
    """A Blueprint document with its `$file` parts expanded."""
    max_blueprint_depth: int = 100
    """Nesting of nodes and expressions in a Blueprint."""
    max_blueprint_nodes: int = 50_000
    """Nodes of a document after aliases are expanded."""
    max_expression_chars: int = 4 * KIB
    max_path_chars: int = 1 * KIB
    max_compared: int = 1_000_000
    """Pairs of members that one comparison of arrays or objects looks at."""
    max_steps: int = 1_000_000
    """Step visits in one run (a Blueprint may not raise it)."""
    max_pure_nodes: int = 10_000_000
    """Nodes that a flow enters from one result to the next: what a loop without steps runs into."""
    max_ahead: int = 64
    """Finished in-process steps of one run that need not be durable yet (`durability: group`)."""
    max_spawn_depth: int = 4
    max_children: int = 256
    """Children started by one task."""
    max_open_tasks: int = 10_000
    """Open tasks of one run."""
    output_tail: int = 1_024
    """Recorded outputs of one attempt."""
    recorded_calls: int = 1_000_000
    """Calls that one attempt records, to be run again after an interruption."""
    max_asks: int = 10_000
    """Questions of one task."""
    max_question_bytes: int = 1 * MIB
    """A question, encoded as JSON; an answer likewise."""
    ended_questions: int = 1_000
    """Ended questions whose end is remembered without a look into the store."""
    ended_submits: int = 1_000
    """Bearers whose last accepted result is remembered, for who has lost the reply to it."""
    max_audience: int = 16
    """Alternatives in one question's audience."""
    max_signals: int = 1_000
    """Signals of one run that came before anybody waited for them."""
    max_resources: int = 1_000
    """Resources of one run."""
    max_directives: int = 100
    """Directives injected into one task."""
    max_directive_bytes: int = 1 * MIB
    """A directive, encoded as JSON."""
    max_tokens: int = 100_000
    """Tokens of sessions and logins in memory."""
    token_depth: int = 16
    """How often a token may be narrowed from one that was narrowed."""
    ended_sessions: int = 1_000
    """Sessions whose end is remembered without a look into the store."""
    heartbeat_interval: float = 300.0
    heartbeat_miss_threshold: int = 3
    """Heartbeats that a session may miss before it is detached."""
    max_backends: int = 10_000
    """Senior bridges, spawn hooks and operators that are registered, each."""
    backend_grace: float = 30.0
    """Seconds that an attempt waits for a backend that is named and not registered."""
    work_lease: float = 300.0
    """Seconds that a claim of a work item lasts unless it is renewed."""
    max_work_lease: float = 86_400.0
    """Seconds that a claim may ask for."""
    max_interruptions: int = 3
    """Attempts of one task that a crash may interrupt before it is blocked."""
    subscriber_queue: int = 1_024
    threadsafe_inbox: int = 1_024
    abandoned_threads: int = 32
    """Sync functions that did not return after they were cancelled; beyond it none is started."""
    sync_threads: int = 32
    sync_waiting: int = 10_000
    """Sync functions waiting for a thread."""
    kill_grace: float = 5.0
    """From the request to end until a worker is killed or abandoned."""
    max_hold_ms: float = 50.0
    """A state transition held longer is logged and counted (R-sync)."""
    pool_waiting: int = 10_000
    """Attempts waiting for a reusable worker of one agent."""
    layer_waiting: int = 10_000
    """Attempts waiting in one line of a layer: for a slot, a turn or a budget."""
    layer_memory: int = 10_000
    """Agents or runs that one layer remembers something of."""
    process_output_bytes: int = 64 * MIB
    process_stderr_tail: int = 64 * KIB
    process_drain: float = 0.5
    """From a child's exit until its output is taken as complete, when a grandchild holds the pipe."""
    process_record_bytes: int = 16 * MIB
    """A line, event or frame of a program's output stream."""
    process_bad_records: int = 100
    """Records of a program's output stream that are no output events; beyond it the attempt fails."""
    process_bad_samples: int = 8
    """Such records that are shown."""
    process_window: int = 4 * MIB
    """Bytes of a program's output stream that may be read before the store has taken what they held."""
    memory_runs: int = 100
    """Finished runs that a `memory:` store keeps."""
    memory_session_events: int = 10_000
    """Events in logs that are no run's (those of sessions) that a `memory:` store keeps; the oldest go."""
    memory_stream_bytes: int = 64 * MIB
    """Stream items of all logs that a `memory:` store keeps; those of the quietest log go first."""
    prompt_template_chars: int = 64 * KIB
    prompt_rendered_chars: int = 1 * MIB
    prompt_work: int = 64 * MIB
    """Characters that one rendering looks at; an item or a loop turn counts as 64."""
    journal_row_events: int = 512
    """Events merged into one journal row."""
    journal_row_bytes: int = 1 * MIB
    """Encoded events merged into one journal row; one larger append still stands in one row."""
    journal_backlog: int = 100_000
    """Events waiting for the writer thread before `append` refuses."""
    blob_backlog_bytes: int = 256 * MIB
    """Bytes of artifacts waiting for the writer thread before `stage_blob` refuses."""
    inbox_messages: int = 1_000
    """Messages waiting for the owner of one log."""
    inbox_message_bytes: int = 1 * MIB
    stream_items: int = 10_000
    """Stream items kept per log; older ones are pruned and counted."""
    stream_backlog: int = 50_000
    """Stream items waiting for the writer thread; beyond it the oldest are dropped and counted."""
    stream_backlog_bytes: int = 16 * MIB


DEFAULT_LIMITS = Limits()
