"""Hostile Blueprints, from the file to lint: one clear line that names the remedy, and no traceback."""

from __future__ import annotations

import pytest

from skep.errors import SkepError
from skep.flow.blueprint import parse_blueprint
from skep.flow.catalog import Catalog, KindInfo
from skep.flow.lint import lint
from skep.flow.load import load_blueprint
from skep.flow.problems import as_error
from skep.flow.version import canonical_document, version

CATALOG = Catalog([KindInfo(name="python", aliases=("rust_fn",)), KindInfo(name="subprocess")])
HEAD = "id: x\nagents: {a: 'm:f'}\n"
STEP = "{step: a, in: $, out: $.y}"


def check(folder, text):
    """What `skep lint` does: the error of the file, or of the first problem."""
    file = folder / "bp.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        loaded = load_blueprint(file)
    except SkepError as error:
        return error
    problems = [problem for problem in lint(loaded.blueprint, CATALOG) if problem.severity == "error"]
    return as_error(loaded.located(problems), "bp.yaml")


HOSTILE = {
    "unknown agent": (HEAD + "flow: {step: b, in: $, out: $.y}", "E-REF no agent is named 'b' (known: a"),
    "duplicate agent": (
        f"id: x\nagents: [{{name: a, kind: python}}, {{name: a, kind: python}}]\nflow: {STEP}",
        "E-AGENT-DUPLICATE agent 'a' is declared at agents[0] already (rename or remove one",
    ),
    "duplicate agent by name": (
        f"id: x\nagents: {{a: 'm:f', a: 'm:g'}}\nflow: {STEP}",
        "key agents.a stands twice",
    ),
    "unknown node": (
        HEAD + "flow: {stpe: a}",
        "E-NODE-UNKNOWN no node word among: stpe (did you mean 'step'?",
    ),
    "unknown op": (
        HEAD + "flow: {let: $.x, value: {op: addd, lhs: 1, rhs: 2}}",
        "unknown op 'addd' (did you mean 'add'?",
    ),
    "unknown field": (HEAD + "flow: {step: a, in: $, otu: $.y}", "has no field 'otu' (did you mean 'out'?"),
    "unknown blueprint field": (
        HEAD + f"flow: {STEP}\nagnets: 1",
        "unknown field 'agnets' (did you mean 'agents'?",
    ),
    "literal condition": (
        HEAD + f"flow: {{branch: 3, then: {STEP}}}",
        "E-COND-NOT-BOOL cond is always number (compare it",
    ),
    "division by zero": (
        HEAD + "flow: {let: $.x, value: 1 / 0}",
        "E-DIV-ZERO division by the constant 0 (divide",
    ),
    "deep [": (HEAD + "flow: " + "[" * 10_000 + "]" * 10_000, "max_blueprint_depth of 100 exceeded (nest"),
    "deep seq": (
        HEAD + "flow: " + "{seq: [" * 10_000 + "]}" * 10_000,
        "max_blueprint_depth of 100 exceeded (nest",
    ),
    "deeper than nodes may": (
        HEAD + "flow: " + "{seq: [" * 150 + "]}" * 150,
        "E-DEPTH nested more than 100 deep (",
    ),
    "deep expression": (
        HEAD + "flow: {let: $.x, value: '" + "(" * 1000 + "1" + ")" * 1000 + "'}",
        "E-SYNTAX",
    ),
    "alias bomb": (
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{n}: &{n} [{', '.join([f'*{m}'] * 9)}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "max_blueprint_nodes of 50,000 exceeded (aliases count",
    ),
    "minus signs": (
        HEAD + "flow: {let: $.x, value: '" + "-" * 100_000 + "1'}",
        "longer than 4,096 characters (compute",
    ),
    "fewer minus signs": (HEAD + "flow: {let: $.x, value: '" + "-" * 4_000 + "1'}", "E-SYNTAX"),
    "not utf-8": (
        b"id: x\nflow: []\nmetadata: {description: caf\xe9}",
        "not UTF-8 at byte 42 (save the file as UTF-8)",
    ),
    "file through ..": (
        HEAD + "flow: []\ndefault_init_ctx: {$file: ../x}",
        "not below the Blueprint's folder (copy",
    ),
    "template": (
        "id: x\nagents: {a: {kind: python, profile: {system_prompt: '{{ x.__class__.__mro__ }}'}}}\nflow: "
        + STEP,
        "is not allowed (use fields of the step's input",
    ),
    "python tag": ("!!python/object/apply:os.system [echo]", "is not allowed (remove it"),
    "nan": (HEAD + "flow: []\ndefault_init_ctx: {x: .nan}", ".nan is not a JSON number (write null or text)"),
    "int key": (HEAD + "flow: []\ndefault_init_ctx: {1: x}", "key '1' is not text (quote it"),
    "empty": ("", "the document is empty (write"),
    "binary": (b"\x00\x01\x02", "not YAML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_one_clear_line(tmp_path, name):
    text, message = HOSTILE[name]
    error = check(tmp_path, text)
    shown = str(error)
    assert message in shown
    assert "bp.yaml" in shown
    assert "\n" not in shown
    assert len(shown) < 1_000


def test_hostile_documents_that_are_values_already():
    deep = []
    for _ in range(10_000):
        deep = [deep]
    loop = {}
    loop["flow"] = loop
    for document in (
        deep,
        {"id": "x", "flow": deep},
        {"id": "x", "flow": [], "hints": {"global": deep}},
        loop,
    ):
        with pytest.raises(SkepError, match="max_blueprint_depth"):
            parse_blueprint(document)
        with pytest.raises(SkepError, match="max_blueprint_depth"):
            lint(document, CATALOG)
    for odd in (
        {"id": "\ud800", "flow": []},
        {1: 2},
        {"id": "x", "flow": {1, 2}},
        {"id": float("nan")},
        {"id": 2**64},
    ):
        with pytest.raises(SkepError):
            parse_blueprint(odd)


def test_what_is_just_within_the_limits_works_all_the_way(tmp_path):
    (tmp_path / "bp.yaml").write_text(
        "id: x\nflow: "
        + "{seq: [" * 98
        + "{let: {at: $.x, value: 1}}"
        + "]}" * 98
        + "\ndefault_init_ctx: {x: "
        + "[" * 390
        + "{$file: f}"
        + "]" * 390
        + "}"
    )
    (tmp_path / "f").write_text("text")
    blueprint = load_blueprint(tmp_path / "bp.yaml").blueprint
    assert lint(blueprint, CATALOG) == []
    again = parse_blueprint(canonical_document(blueprint))
    assert again == blueprint
    assert version(again) == version(blueprint)


def test_a_name_of_a_megabyte_is_cut_in_messages(tmp_path):
    long = "n" * 1_000_000
    for text in (
        f"id: x\nflow: []\n? {long}\n: 1\n",
        HEAD + f"flow: {{step: {long}, in: 1, out: $.y}}",
        f"{long}: 1",
    ):
        assert len(str(check(tmp_path, text))) < 1_000
