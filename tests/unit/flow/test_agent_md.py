from __future__ import annotations

import hashlib

import pytest

from skep.errors import BadSyntax, LimitExceeded
from skep.flow.agent_md import parse_agent_md
from skep.limits import Limits

FULL = b"""---
name: reviewer
description: "  Reads code.  "
model: big
effort: high
tools: Read, Grep ,, mcp__docs__search
worker_binding: cli
lints: {tool-unknown-mcp-ref: allow}
color: blue
expected_output: [verdict]
---
You review {{ path }}.

---
Done.
"""


def test_known_keys_fill_the_profile_and_the_rest_is_kept_as_extras():
    agent = parse_agent_md(FULL)
    body = "You review {{ path }}.\n\n---\nDone.\n"
    assert agent == {
        "name": "reviewer",
        "lints": {"tool-unknown-mcp-ref": "allow"},
        "profile": {
            "system_prompt": body,
            "version_hash": hashlib.sha256(body.encode()).hexdigest(),
            "description": "Reads code.",
            "model": "big",
            "effort": "high",
            "tools": ["Read", "Grep", "mcp__docs__search"],
            "worker_binding": "cli",
            "extras": {"color": "blue", "expected_output": ["verdict"]},
        },
    }


def test_the_body_is_verbatim():
    assert parse_agent_md(b"---\nname: a\n---\n\n  x \r\n")["profile"]["system_prompt"] == "\n  x \r\n"
    assert parse_agent_md(b"---\nname: a\n---")["profile"]["system_prompt"] == ""
    assert parse_agent_md(b"---\r\nname: a\r\n---\r\nx")["profile"]["system_prompt"] == "x"


def test_tools_may_be_a_list():
    assert parse_agent_md(b"---\nname: a\ntools: [Read, Write]\n---\n")["profile"]["tools"] == [
        "Read",
        "Write",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name: a\n", "x.md: no frontmatter"),
        (b"", "no frontmatter"),
        (b"---\nname: a\n", "no frontmatter"),
        (b"---\n---\nbody", "frontmatter needs `name` as text, got null"),
        (b"---\nname: 3\n---\n", "frontmatter needs `name` as text, got number"),
        (b"---\nname: a\nmodel: [x]\n---\n", "frontmatter needs `model` as text, got array"),
        (b"---\nname: a\ntools: 3\n---\n", "`tools` is number"),
        (b"---\nname: a\ntools: [3]\n---\n", "`tools` as text, got number"),
        (b"---\n- a\n---\n", "frontmatter is array"),
        (b"---\nname: a\nname: b\n---\n", "x.md:3: key name stands twice"),
        (b"---\nname: a\n---\n\xff", "not UTF-8 at byte 16"),
    ],
)
def test_a_file_that_is_no_agent(data, message):
    with pytest.raises(BadSyntax) as caught:
        parse_agent_md(data, where="x.md")
    assert message in str(caught.value)


def test_frontmatter_is_bounded():
    with pytest.raises(LimitExceeded, match="max_blueprint_nodes"):
        parse_agent_md(b"---\nname: a\nx: [1,2,3,4]\n---\n", Limits(max_blueprint_nodes=4))
