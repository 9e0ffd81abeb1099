"""An agent as a Blueprint declares it: the published fields, and ours at the end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from skep.core.retry import RetryPolicy

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
LintLevel = Literal["allow", "warn", "deny"]
OnInterrupt = Literal["retry", "fail", "ask"]


def doc(text: str) -> Meta:
    return Meta(description=text)


class AgentProfile(Struct, frozen=True, kw_only=True):
    """Who the agent is, for kinds that prompt a model or a person."""

    system_prompt: Annotated[
        str, doc("Jinja template over the step's input (`directive` if that is text).")
    ] = ""
    model: Annotated[str | None, doc("Which model.")] = None
    effort: Annotated[str | None, doc("How hard it should think.")] = None
    tools: Annotated[tuple[str, ...], doc("Tools it may use, such as mcp__SERVER__TOOL.")] = ()
    description: Annotated[str | None, doc("What the agent is for.")] = None
    extras: Annotated[dict[str, Any], doc("Other keys of an agent.md file.")] = field(default_factory=dict)
    version_hash: Annotated[str | None, doc("SHA-256 of the system prompt, as hex.")] = None
    worker_binding: Annotated[str | None, doc("Deprecated: the launch variant.")] = None


class ContextPolicy(Struct, frozen=True, kw_only=True):
    """Which context fields and earlier steps an agent sees; null means all, exclusion wins."""

    include: Annotated[tuple[str, ...] | None, doc("Context fields that it sees.")] = None
    exclude: Annotated[tuple[str, ...], doc("Context fields that it does not see.")] = ()
    steps: Annotated[tuple[str, ...] | None, doc("Steps whose outputs it sees.")] = None
    steps_exclude: Annotated[tuple[str, ...], doc("Steps whose outputs it does not see.")] = ()


class AgentMeta(Struct, frozen=True, kw_only=True):
    """What is known about the agent, and context of its own."""

    description: Annotated[str | None, doc("What the agent is for.")] = None
    version: Annotated[str | None, doc("The agent's own version.")] = None
    tags: Annotated[tuple[str, ...], doc("Words to find it by.")] = ()
    ctx: Annotated[dict[str, Any] | None, doc("Context only for this agent.")] = None
    context_policy: Annotated[ContextPolicy | None, doc("Replaces default_context_policy.")] = None
    meta_ref: Annotated[str | None, doc("The name of a shared payload under metas.")] = None
    projection_name: Annotated[str | None, doc("The name of its output files.")] = None


class Verdict(Struct, frozen=True, kw_only=True):
    """The closed set of words that an agent's verdict is one of."""

    channel: Annotated[Literal["body", "part"], doc("The whole output, or its part named verdict.")] = "body"
    values: Annotated[tuple[str, ...], doc("The allowed words.")] = ()


class WsOperator(Struct, frozen=True, kw_only=True, tag_field="backend", tag="ws_operator"):
    """A person or program at a WebSocket."""

    variant: Annotated[str | None, doc("The launch variant.")] = None
    tools: Annotated[tuple[str, ...] | None, doc("Tools granted; an empty list grants none.")] = None


class WsClaudeCode(Struct, frozen=True, kw_only=True, tag_field="backend", tag="ws_claude_code"):
    """The older name of `ws_operator`."""

    variant: Annotated[str | None, doc("The launch variant.")] = None
    tools: Annotated[tuple[str, ...] | None, doc("Tools granted; an empty list grants none.")] = None


class AgentBlockInProcess(
    Struct, frozen=True, kw_only=True, tag_field="backend", tag="agent_block_in_process"
):
    """An agent loop inside the host."""

    tools: Annotated[tuple[str, ...] | None, doc("Tools granted; an empty list grants none.")] = None


class SubprocessOverrides(Struct, frozen=True, kw_only=True):
    """What one agent changes in a command line template."""

    model: Annotated[str | None, doc("Which model.")] = None
    tools: Annotated[tuple[str, ...] | None, doc("Which tools.")] = None
    cwd: Annotated[str | None, doc("The working directory.")] = None


class SubprocessRunner(Struct, frozen=True, kw_only=True, tag_field="backend", tag="subprocess"):
    """A command line from `subprocesses`."""

    template: Annotated[Name, doc("Its name under subprocesses.")]
    overrides: Annotated[SubprocessOverrides, doc("What differs from the template.")] = SubprocessOverrides()


Runner = WsOperator | WsClaudeCode | AgentBlockInProcess | SubprocessRunner


class AgentDef(Struct, frozen=True, kw_only=True):
    """One agent: a name that steps refer to, and how its work is done."""

    name: Annotated[Name, doc("What steps refer to.")]
    kind: Annotated[Name, doc("How it works: python, subprocess, operator, lua, agent, strategy.")]
    spec: Annotated[Any, doc("What its kind needs, such as program and args.")] = None
    profile: Annotated[AgentProfile | None, doc("Prompt, model and tools.")] = None
    meta: Annotated[AgentMeta | None, doc("Description and context.")] = None
    runner: Annotated[Runner | None, doc("What runs it, in place.")] = None
    runner_ref: Annotated[str | None, doc("What runs it, by name under runners.")] = None
    verdict: Annotated[Verdict | None, doc("The words its verdict may be.")] = None
    lints: Annotated[dict[str, LintLevel], doc("Levels of single lints for this agent.")] = field(
        default_factory=dict
    )
    retry: Annotated[
        RetryPolicy | None, doc("When a failed attempt is tried again; a step's policy replaces it.")
    ] = None
    timeout: Annotated[Seconds | None, doc("Seconds for one attempt.")] = None
    on_interrupt: Annotated[
        OnInterrupt | None,
        doc("After a crash of the host: retry (default), fail, or ask (default with side_effects)."),
    ] = None
    side_effects: Annotated[bool, doc("Whether an attempt that runs twice does harm.")] = False

    @property
    def interruption(self) -> OnInterrupt:
        """What happens after a crash of the host, the default applied."""
        return self.on_interrupt or ("ask" if self.side_effects else "retry")
