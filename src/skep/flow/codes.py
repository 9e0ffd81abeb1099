"""Every code that lint and the readers report, with what it means and what to do. Codes never change."""

from __future__ import annotations

from skep.errors import SkepError
from skep.flow.problems import did_you_mean

CODES: dict[str, str] = {
    # -- what stands there cannot be read
    "E-SYNTAX": "a text that does not parse; the message says where it stops making sense",
    "E-PATH": 'a path that does not parse; paths look like $, $.a.b, $.items[0], $.a["key with spaces"]',
    "E-FIELD-UNKNOWN": "a field that does not exist here; none is ignored, so a misspelt one is not lost",
    "E-FIELD-MISSING": "a required field is not there",
    "E-FIELD-TYPE": "a value of the wrong JSON type, such as text where an object is expected",
    "E-FIELD-CHOICE": "a field that takes one of a few words has another",
    "E-FIELD-RANGE": "the right type, but out of range or empty",
    "E-FIELD-FORM": "a text that does not have the form its field needs, such as 1.2.0",
    "E-FIELD-TWICE": "a field in two spellings, or both under a node's word and beside it: keep one",
    "E-NODE-UNKNOWN": "something where a node belongs that has no node word or an unknown kind",
    "E-NODE-AMBIGUOUS": "a mapping with more than one node word: put the nodes in a list, one each",
    "E-NODE-NOT-YET": "a known node that this version cannot run",
    "E-OP-UNKNOWN": "an expression operator that does not exist",
    "E-OP-NOT-YET": "a known operator that this version cannot evaluate",
    "E-LITERAL": "a list in a document is a constant, yet this one holds something like an expression",
    "E-CASE-DUPLICATE": "an earlier case of the switch has the same value, so this one is never taken",
    "E-VALUE": "a constant that JSON cannot carry exactly, or that is too deep or too big",
    "E-ID": "an id or branch name that step keys cannot carry, or one of their fixed words",
    "E-ID-DUPLICATE": "two siblings of a flow with the same id; ids name steps in the journal: rename one",
    "E-DEPTH": "nodes and expressions are nested deeper than max_blueprint_depth",
    "E-LIMIT": "the document is larger than a limit allows, or has too many problems to list",
    "E-SCHEMA-VERSION": "a schema_version that this version does not know: upgrade skep, or write 0.1.0",
    # -- it reads well but cannot run as written
    "E-REF": "a step's agent is neither declared in the Blueprint nor registered; see strategy.strict_refs",
    "W-REF": "as E-REF, with strategy.strict_refs false: the step fails when it is reached",
    "E-KIND": "an agent of a kind that no adapter provides; see strategy.strict_kind",
    "W-KIND-DROPPED": "as E-KIND, with strategy.strict_kind false: the agent is left out",
    "E-KIND-NOT-YET": "a known kind that this version cannot start: a warning in lint, an error at the start",
    "E-AGENT-DUPLICATE": "two agents with the same name: rename or remove one",
    "E-DUPLICATE": "two entries with the same name in a list of named things: rename or remove one",
    "W-UNUSED-AGENT": "no step and no audit uses this agent",
    "E-OPERATOR-REF": "spec.operator_ref names an operator that is not declared under operators",
    "E-RUNNER": "a runner or template by a name that nothing declared under runners or subprocesses has",
    "E-META-REF": "meta.meta_ref names a payload that is not declared under metas",
    "E-AUDIT-REF": "an audit by an agent that is neither declared in the Blueprint nor registered",
    "E-PLACEHOLDER": "a placeholder of a command line template that does not exist, or that nothing fills",
    "E-PLACEHOLDER-SHELL": "a placeholder in the command of sh -c, where its text would be run: pass an argument",
    "W-PROMPT-DASH": "a prompt that is the last argument and begins with - is read as an option: put -- before it",
    "E-SEAT": "a question's audience names a seat that is not declared under operators",
    "E-QUESTION-SCHEMA": "an ask's schema that is no JSON Schema, is over 64 KiB, or refers to another document",
    "W-ASK-IDLE": "a field of an ask has no effect: on_timeout without deadline, allow_self without approval",
    "E-WAIT": "a wait has one of for, until and signal, out only with signal; or its constant is no time",
    "E-HINT": "spawner_hints.layers names a layer that nobody provides",
    "E-HINT-TWICE": "a layer that acts once is listed twice",
    "W-HINT-ORDER": "in this order one layer keeps another from being called: list that one later",
    "E-TEMPLATE": "a system prompt that is no template, or reaches for _names, includes or macros",
    "E-COND-NOT-BOOL": "a branch's cond or a step's skip_if that can never be a boolean: compare it, or use exists()",
    "W-CASE-TEXT": "a case's value is a constant, not an expression, and this one looks like an expression",
    "E-LUA-SYNTAX": "Lua that does not compile: a hook of a lua layer, or the script of a lua agent",
    "E-DIV-ZERO": "a division or modulo by the constant 0",
    "E-ITEMS": "a fanout's items that can never be an array",
    "E-EMPTY-JOIN": "any and race choose among lanes, and here there are none",
    "W-LOOP-NEVER": "a loop whose max is 0: its body never runs",
    "W-NOT-YET": "a published field that is read and kept, but that this version does not act on",
    # -- files and trust
    "E-CALLABLE": "spec.callable names a module or a function that is neither beside the Blueprint nor installed",
    "E-FILE": "a $file or $agent_md that cannot be read, or lies outside the Blueprint's folder",
    "E-TRUST": "an untrusted Blueprint names files, programs, folders, environment or Python by module",
}


def explain(code: str) -> str:
    """What a code of a problem or an error means, one paragraph.

    >>> explain("W-LOOP-NEVER")
    'W-LOOP-NEVER: a loop whose max is 0: its body never runs'

    Raises:
        SkepError: no such code.
    """
    known = {**_error_codes(SkepError), **CODES}
    if code not in known:
        raise SkepError(f"no code {code!r}", fix=did_you_mean(code, list(known)))
    return f"{code}: {known[code]}"


def _error_codes(kind: type[SkepError]) -> dict[str, str]:
    """The codes of the error tree, each with what its class says about itself."""
    text = vars(kind).get("__doc__") or kind.__name__
    codes = {kind.code: text.strip().splitlines()[0]}
    for narrower in kind.__subclasses__():
        codes.update(_error_codes(narrower))
    return codes
