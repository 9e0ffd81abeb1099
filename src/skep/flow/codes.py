"""Every code that lint and the readers report, with what it means and what to do. Codes never change."""

from __future__ import annotations

CODES: dict[str, str] = {
    # -- what stands there cannot be read
    "E-SYNTAX": "a text that does not parse; the message says where it stops making sense",
    "E-TYPE": "a value of the wrong JSON type, such as text where an object is expected",
    "E-FIELD": "a field that does not exist here; none is ignored, so a misspelt one is not lost",
    "E-MISSING": "a required field is not there",
    "E-VALUE": "the right type, but not one of the choices, out of range or of the wrong form",
    "E-NODE": "a flow node that does not exist, or something that is not a node",
    "E-OP": "an expression operator that does not exist, or something that is not an expression",
    "E-PATH": 'a path that does not parse; paths look like $, $.a.b, $.items[0], $.a["key with spaces"]',
    "E-ID-DUPLICATE": "two siblings of a flow with the same id; ids name steps in the journal: rename one",
    "E-LIMIT": "the document, its nesting or an expression is larger than a limit allows",
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
    "E-HINT": "spawner_hints.layers names a layer that nobody provides",
    "W-HINT-TWICE": "a layer is listed twice and would be applied twice",
    "W-HINT-ORDER": "in this order one layer keeps another from ever being called: list that one later",
    "E-TEMPLATE": "a system prompt that is no template, or reaches for _names, includes or macros",
    "E-COND-NOT-BOOL": "a branch's condition that can never be a boolean: compare it, or use exists()",
    "E-DIV-ZERO": "a division or modulo by the constant 0",
    "E-EMPTY-JOIN": "any and race choose among lanes, and here there are none",
    "W-LOOP-NEVER": "a loop whose max is 0: its body never runs",
    "W-CASE-DUPLICATE": "an earlier case of the switch has the same value, so this one is never taken",
    "W-NOT-YET": "a published field that is read and kept, but that this version does not act on",
    # -- files and trust
    "E-FILE": "a $file or $agent_md that cannot be read, or lies outside the Blueprint's folder",
    "E-TRUST": "an untrusted Blueprint names files, programs, folders, environment or Python by module",
}
