"""agent.md: YAML frontmatter and a body that is the system prompt, verbatim.

Known keys are `name` (required), `description`, `model`, `effort`, `tools` (a list or comma-separated
text), `worker_binding` and `lints`; every other key is kept in `profile.extras`. `profile.version_hash` is
the SHA-256 of the body as lowercase hex (the reference takes BLAKE3, which Python's library lacks).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from skep.errors import BadSyntax
from skep.flow.document import decode_text, parse_document
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import digest, type_name, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

_FENCE = "---"
_END = re.compile(r"^---[^\n]*(?:\n|\Z)", re.MULTILINE)


def parse_agent_md(
    data: bytes, limits: Limits = DEFAULT_LIMITS, *, where: str = "agent.md"
) -> dict[str, Any]:
    r"""The agent that a file describes, as the fields of an agent definition that it sets.

    >>> agent = parse_agent_md(b"---\nname: critic\ntools: Read, Grep\n---\nBe strict.\n")
    >>> agent["name"], agent["profile"]["tools"], agent["profile"]["system_prompt"]
    ('critic', ['Read', 'Grep'], 'Be strict.\n')

    Raises:
        BadSyntax: no frontmatter, no name, or a known key of the wrong type.
        LimitExceeded: see `skep.flow.document.parse_document`.
    """
    front, body = _split(decode_text(data, where), where)
    # the fence stood on line 1, so an empty line in its place keeps line numbers right
    fields: Any = (
        parse_document(f"\n{front}".encode(), "yaml", limits, where=where).value if front.strip() else {}
    )
    if type_of(fields) is not dict:
        raise BadSyntax(
            f"frontmatter is {type_name(fields)}, not fields",
            where=where,
            fix="write it as `key: value` lines",
        )
    return _agent(fields, body, where)


def _split(text: str, where: str) -> tuple[str, str]:
    first, _, rest = text.partition("\n")
    end = _END.search(rest) if first.rstrip() == _FENCE else None
    if end is None:
        raise BadSyntax("no frontmatter", where=where, fix="start the file with `---`, `name: ...`, `---`")
    return rest[: end.start()], rest[end.end() :]


def _agent(fields: dict[str, Any], body: str, where: str) -> dict[str, Any]:
    profile: dict[str, Any] = {"system_prompt": body, "version_hash": digest(body.encode())}
    agent: dict[str, Any] = {"name": _text(fields.pop("name", None), "name", where), "profile": profile}
    if "lints" in fields:
        agent["lints"] = fields.pop("lints")
    for key, read in _KNOWN.items():
        if fields.get(key) is not None:
            profile[key] = read(fields[key], key, where)
        fields.pop(key, None)
    if fields:
        profile["extras"] = fields
    return agent


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadSyntax(
            f"frontmatter needs `{key}` as text, got {type_name(value)}",
            where=where,
            fix=f"write `{key}: some text`",
        )
    return value.strip()


def _tools(value: Any, key: str, where: str) -> list[str]:
    if isinstance(value, str):
        return [tool for part in value.split(",") if (tool := part.strip())]
    if type_of(value) is list:
        return [_text(tool, key, where) for tool in value]
    raise BadSyntax(f"`{key}` is {type_name(value)}", where=where, fix="write a list, or text with commas")


_KNOWN: dict[str, Callable[[Any, str, str], Any]] = {
    "description": _text,
    "model": _text,
    "effort": _text,
    "tools": _tools,
    "worker_binding": _text,
}
