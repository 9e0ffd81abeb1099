"""System prompts: Jinja templates over a step's input, bounded in size and in work.

A template has variables, attributes, `if`, `for`, `set`, the filters of `prompt_filters` and a few methods;
no macros, no includes, no globals, no `_names`. Text is printed as it is, everything else as compact JSON,
and a variable that does not exist is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skep.errors import BadValue, LimitExceeded
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import canonical, decode_untrusted, type_of


class Prompt:
    """A compiled template. It keeps nothing between renderings and may be shared."""

    __slots__ = ("_generate", "_limits")

    def __init__(self, generate: Callable[[Mapping[str, Any]], Any], limits: Limits) -> None:
        self._generate = generate
        self._limits = limits

    def render(self, slots: Mapping[str, Any]) -> str:
        """The text for these variables (see `slots_for`).

        Raises:
            TemplateError: an unknown variable, or an operation that its values do not allow; with the line.
            LimitExceeded: `prompt_rendered_chars` or `prompt_work`, as soon as it is reached.
        """
        pieces: list[str] = []
        room = self._limits.prompt_rendered_chars
        for piece in self._generate(slots):
            room -= len(piece)
            if room < 0:
                raise LimitExceeded(
                    "prompt_rendered_chars",
                    self._limits.prompt_rendered_chars,
                    where="system prompt",
                    fix="print less of the input",
                )
            pieces.append(piece)
        return "".join(pieces)


def compile_prompt(source: str, limits: Limits = DEFAULT_LIMITS, *, where: str = "system prompt") -> Prompt:
    """Compile a template; `where` stands before the line in errors.

    >>> compile_prompt("Review {{ file }}{% if hard %} hard{% endif %}.").render({"file": "a", "hard": True})
    'Review a hard.'

    Raises:
        TemplateError: it does not parse, or uses what templates may not; with the line.
        LimitExceeded: `prompt_template_chars`.
    """
    if len(source) > limits.prompt_template_chars:
        fix = "pass long text as input, or let the agent read a file"
        raise LimitExceeded("prompt_template_chars", limits.prompt_template_chars, where=where, fix=fix)
    from skep.flow.prompt_sandbox import compile_template  # noqa: PLC0415 - Jinja only for those who use it

    return Prompt(compile_template(source, limits, where), limits)


def slots_for(input: Any) -> dict[str, Any]:  # noqa: A002 - the step's word
    """The variables that a step's input gives to a template.

    An object, or text that is one as JSON, gives its keys; anything else the one variable `directive`: text
    as it is, the rest as compact JSON.

    >>> slots_for({"file": "a.py"}), slots_for("go on"), slots_for([1, 2])
    ({'file': 'a.py'}, {'directive': 'go on'}, {'directive': '[1,2]'})
    """
    if type_of(input) is dict:
        return input
    if type_of(input) is not str:
        return {"directive": canonical(input).decode()}
    slots = _json_object(input)
    return {"directive": input} if slots is None else slots


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = decode_untrusted(text)
    except (BadValue, LimitExceeded):
        return None  # text that only looks like JSON is text
    return value if type_of(value) is dict else None
