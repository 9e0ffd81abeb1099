from __future__ import annotations

import re
from pathlib import Path

import pytest

import skep.flow
from skep.errors import BadSyntax, SkepError
from skep.flow.blueprint import parse_blueprint
from skep.flow.catalog import EVERY_LAYER, Catalog, HintInfo, KindInfo, any_spec
from skep.flow.codes import CODES, explain
from skep.flow.lint import known_agents, lint
from skep.flow.problems import Problem, inside

STEP = {"step": "a", "in": "$.x", "out": "$.y"}
BASE = {"id": "b", "flow": STEP, "agents": {"a": {"kind": "python"}}}


def check_program(spec, place):
    return [] if isinstance(spec, dict) and "program" in spec else [Problem(place, "E-SPEC", "no program")]


def check_hold(options, place):
    return [Problem(inside(place, key), "E-X", "no") for key in options if key == "hold"]


CATALOG = Catalog(
    kinds=[
        KindInfo(name="python", aliases=("rust_fn",), untrusted_keys=frozenset({"fn_id"})),
        KindInfo(name="subprocess", aliases=("process",), check=check_program),
        KindInfo(name="operator", ready=False, untrusted_keys=frozenset({"operator_ref"})),
        KindInfo(name="lua", ready=False),
    ],
    hints=[
        HintInfo(key="audit"),
        HintInfo(key="main_ai"),
        HintInfo(key="operator_delegate", disables=EVERY_LAYER),
        HintInfo(key="long_hold", check=check_hold, untrusted_keys=frozenset({"default_hold"})),
        HintInfo(key="lua", repeats=True, disables=("audit",), check=any_spec),
    ],
)


def found(document, **options):
    return [(problem.place, problem.code) for problem in lint(document, CATALOG, **options)]


def base(**fields):
    return {**BASE, **fields}


def agents(**fields):
    return base(agents=[{"name": "a", "kind": "python", **fields}])


def test_a_good_blueprint_has_no_problems():
    assert lint(BASE, CATALOG) == []
    assert lint(parse_blueprint(BASE), CATALOG) == []


# -- agents and refs ---------------------------------------------------------------------------


def test_an_unknown_agent_is_an_unresolved_ref():
    (problem,) = lint(base(flow=[STEP, {"step": "aa", "in": 1, "out": "$.z"}]), CATALOG)
    assert str(problem) == "flow.children[1].ref: E-REF no agent is named 'aa' (did you mean 'a'?)"
    assert problem.severity == "error"


def test_refs_are_found_wherever_a_step_may_stand():
    inner = {"step": "nobody", "in": 1, "out": "$.z"}
    flow = [
        {"branch": {"cond": "$.c", "then": inner, "else": inner}},
        {"switch": {"on": "$.c", "cases": [{"value": 1, "body": inner}], "default": inner}},
        {"loop": {"counter": "$.n", "cond": "$.c", "max": 1, "body": inner}},
        {"fanout": {"items": "$.c", "bind": "$.i", "out": "$.o", "body": inner}},
        {"parallel": {"branches": {"left": inner}, "out": "$.o"}},
        {"try": {"body": inner, "catch": inner}},
    ]
    places = [place for place, code in found(base(flow=flow, agents={})) if code == "E-REF"]
    assert places == [
        "flow.children[0].then.ref",
        "flow.children[0].else.ref",
        "flow.children[1].cases[0].body.ref",
        "flow.children[1].default.ref",
        "flow.children[2].body.ref",
        "flow.children[3].body.ref",
        "flow.children[4].branches.left.ref",
        "flow.children[5].body.ref",
        "flow.children[5].catch.ref",
    ]


def test_registered_agents_resolve_refs():
    assert found(base(agents={})) == [("flow.ref", "E-REF")]
    assert found(base(agents={}), registered=frozenset({"a"})) == []
    assert found(base(agents={}), registered=None) == []


def test_without_strict_refs_an_unresolved_one_is_a_warning():
    (problem,) = lint(base(agents={}, strategy={"strict_refs": False}), CATALOG)
    assert (problem.place, problem.code, problem.severity) == ("flow.ref", "W-REF", "warning")


def test_an_unknown_kind_is_an_error_when_strict():
    (problem,) = lint(agents(kind="pyton"), CATALOG)
    assert str(problem) == (
        "agents[0].kind: E-KIND agent 'a' is of unknown kind 'pyton' (did you mean 'python'?)"
    )
    assert problem.severity == "error"


def test_without_strict_kind_an_unknown_kind_is_dropped_and_its_use_unresolved():
    document = {**agents(kind="perl"), "strategy": {"strict_kind": False}}
    assert found(document) == [("agents[0].kind", "W-KIND-DROPPED"), ("flow.ref", "E-REF")]
    assert known_agents(parse_blueprint(document), CATALOG) == {}
    both = {**document, "strategy": {"strict_kind": False, "strict_refs": False}}
    assert found(both) == [("agents[0].kind", "W-KIND-DROPPED"), ("flow.ref", "W-REF")]
    assert {problem.severity for problem in lint(both, CATALOG)} == {"warning"}


def test_a_kind_that_is_not_ready_is_a_warning():
    (problem,) = lint(agents(kind="lua"), CATALOG)
    assert (problem.place, problem.code, problem.severity) == ("agents[0].kind", "E-KIND-NOT-YET", "warning")
    assert problem.fix == "ready: python, subprocess"


def test_the_kind_checks_its_spec():
    assert found(agents(kind="process", spec={"program": "ls"})) == []
    assert found(agents(kind="process", spec=["ls"])) == [("agents[0].spec", "E-SPEC")]


def test_two_agents_of_one_name():
    document = base(agents=[{"name": "a", "kind": "python"}, {"name": "a", "kind": "python"}])
    (problem,) = lint(document, CATALOG)
    assert str(problem) == (
        "agents[1]: E-AGENT-DUPLICATE agent 'a' is declared at agents[0] already (rename or remove one)"
    )


def test_an_unused_agent_is_a_warning_and_an_audit_is_a_use():
    spare = [{"name": "a", "kind": "python"}, {"name": "spare", "kind": "python"}]
    assert found(base(agents=spare)) == [("agents[1]", "W-UNUSED-AGENT")]
    assert found(base(agents=spare, audits=[{"agent": "spare", "mode": "sync"}])) == []


def test_an_operator_that_nobody_declares():
    document = agents(kind="operator", spec={"operator_ref": "main-ai"})
    assert ("agents[0].spec.operator_ref", "E-OPERATOR-REF") in found(document)
    for harmless in (None, "x", {}, {"operator_ref": 3}):
        assert found(agents(kind="operator", spec=harmless)) == [("agents[0].kind", "E-KIND-NOT-YET")]
    assert found(agents(spec={"operator_ref": "main-ai"})) == []
    document["operators"] = [{"name": "main-ai"}]
    assert found(document) == [("agents[0].kind", "E-KIND-NOT-YET")]


@pytest.mark.parametrize(
    "template", ["{{ x.__class__ }}", "{% include 'x' %}", "{{ unclosed", "{% macro m() %}{% endmacro %}"]
)
def test_a_template_that_reaches_too_far(template):
    (problem,) = lint(agents(profile={"system_prompt": template}), CATALOG)
    assert (problem.place, problem.code) == ("agents[0].profile.system_prompt", "E-TEMPLATE")


def test_a_good_template_and_braces_in_text():
    assert found(agents(profile={"system_prompt": "Review {{ file }} as {json}"})) == []


# -- names and layers --------------------------------------------------------------------------


def test_named_things_are_unique():
    two = [{"name": "x"}, {"name": "x"}]
    assert ("operators[1]", "E-DUPLICATE") in found(base(operators=two))
    assert ("metas[1]", "E-DUPLICATE") in found(base(metas=two))


def layers(*keys, **options):
    found = lint(base(spawner_hints={"layers": list(keys)}), CATALOG, **options)
    return [(problem.place.removeprefix("spawner_hints.layers"), problem.code) for problem in found]


def test_layers():
    assert layers("audit", {"long_hold": {"default_hold": 5}}) == []
    [problem] = lint(base(spawner_hints={"layers": ["audti"]}), CATALOG)
    assert str(problem) == "spawner_hints.layers[0]: E-HINT unknown layer 'audti' (did you mean 'audit'?)"
    assert layers("audit", "audit") == [("[1]", "E-HINT-TWICE")]
    assert layers({"lua": {"a": 1}}, {"lua": {"a": 2}}) == []


def test_the_options_of_a_layer_are_its_own_affair():
    assert layers({"long_hold": {"hold": 1}}) == [("[0].long_hold.hold", "E-X")]
    assert layers("main_ai", {"audit": {"x": 1}}) == [("[1].audit.x", "E-FIELD-UNKNOWN")]


def test_an_untrusted_blueprint_may_set_listed_options_only():
    assert layers({"long_hold": {"default_hold": 1}}, trust="untrusted") == []
    assert layers({"lua": {"source": ""}}) == []
    assert layers({"lua": {"source": ""}}, trust="untrusted") == [("[0].lua.source", "E-TRUST")]


def test_layers_are_bounded():
    assert layers(*[{"lua": {"a": n}} for n in range(32)]) == []
    assert layers(*[{"lua": {"a": n}} for n in range(33)]) == [("", "E-LIMIT")]


def test_an_order_that_disables_a_layer_is_a_warning():
    assert layers("main_ai", "operator_delegate") == [("[1]", "W-HINT-ORDER")]
    assert layers("operator_delegate", "main_ai") == []
    assert layers("audit", "main_ai", "lua") == [("[2]", "W-HINT-ORDER")]


# -- what the flow shows -----------------------------------------------------------------------


def branch(cond):
    return base(flow=[STEP, {"branch": {"cond": cond, "then": [], "else": []}}])


@pytest.mark.parametrize(
    "cond", [1, "'x'", "null", "$.n + 1", "len($.x)", "min($.x)", "format('{}', $.x)", "[$.x]", {"a": 1}]
)
def test_a_condition_that_can_never_be_boolean(cond):
    assert found(branch(cond)) == [("flow.children[1].cond", "E-COND-NOT-BOOL")]


@pytest.mark.parametrize(
    "cond", ["true", "$.x", "$.n > 1", "not $.x", "$.a and $.b", "exists($.x)", "1 in $.x", "$.x[0]"]
)
def test_a_condition_that_may_be_boolean(cond):
    assert found(branch(cond)) == []


@pytest.mark.parametrize("value", ["$.n / 0", "$.n % 0", "1 + $.n / 0.0", {"k": "1 / 0"}])
def test_division_by_the_constant_zero(value):
    ((place, code),) = found(base(flow=[STEP, {"let": {"at": "$.z", "value": value}}]))
    assert code == "E-DIV-ZERO"
    assert place.startswith("flow.children[1].value")
    assert place.endswith(".rhs")


def test_a_division_that_may_be_fine():
    for value in ("1 / $.n", "$.n / 2", "$.n % 0.5", "$.n / '0'"):
        assert found(base(flow=[STEP, {"let": {"at": "$.z", "value": value}}])) == []


def test_a_loop_that_never_runs():
    flow = {"loop": {"counter": "$.n", "cond": "true", "max": 0, "body": STEP}}
    assert found(base(flow=flow)) == [("flow.max", "W-LOOP-NEVER")]


def fanout(items, join):
    return base(flow={"fanout": {"items": items, "bind": "$.i", "out": "$.o", "join": join, "body": STEP}})


def test_joins_that_have_nothing_to_choose_from():
    for join in ("any", "race"):
        assert found(fanout([], join)) == [("flow.join", "E-EMPTY-JOIN")]
        assert found(fanout("[]", join)) == [("flow.join", "E-EMPTY-JOIN")]
        assert found(fanout([1], join)) == found(fanout("$.x", join)) == []
    assert found(fanout([], "all")) == found(fanout([], "all_settled")) == []


def test_items_that_can_never_be_an_array():
    assert found(fanout("len($.x)", "all")) == [("flow.items", "E-ITEMS")]
    (problem,) = lint(fanout("min($.x)", "all"), CATALOG)
    assert problem.message == "items is always number or string, not an array"
    assert found(fanout("keys($.x)", "all")) == found(fanout("concat($.x, $.y)", "all")) == []


# -- not yet -----------------------------------------------------------------------------------

NOT_YET = {
    "hints": {"global": 1},
    "projection_placement": {"root": "project_root"},
    "degradation_policy": "warn",
    "check_policy": "warn",
    "blueprint_ref_includes": ["x"],
}


@pytest.mark.parametrize("field", NOT_YET)
def test_fields_without_effect_are_said_aloud(field):
    (problem,) = lint(base(**{field: NOT_YET[field]}), CATALOG)
    assert (problem.place, problem.code, problem.severity) == (field, "W-NOT-YET", "warning")
    assert problem.message == f"{field} has no effect in this version"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (base(strategy={"strict_binding": True}), "strategy.strict_binding"),
        (base(metadata={"default_run_ttl_secs": 5}), "metadata.default_run_ttl_secs"),
        (base(metadata={"lints": {"x": "allow"}}), "metadata.lints"),
        (base(operators=[{"name": "lead"}, {"name": "b", "spec": 1}]), "operators[1].spec"),
        (base(runners=[{"name": "r", "runner": {"backend": "ws_operator"}}]), "runners[0].runner"),
        (agents(runner={"backend": "ws_operator"}), "agents[0].runner"),
        (agents(verdict={"values": ["PASS"]}), "agents[0].verdict"),
        (agents(meta={"projection_name": "p"}), "agents[0].meta.projection_name"),
        (agents(profile={"model": "m"}), "agents[0].profile.model"),
        (agents(on_interrupt="ask"), "agents[0].on_interrupt"),
        (agents(side_effects=True), "agents[0].side_effects"),
    ],
)
def test_inner_fields_without_effect_are_said_aloud(document, place):
    assert found(document) == [(place, "W-NOT-YET")]


def test_fields_with_an_effect_or_none_expected_are_quiet():
    document = agents(
        retry={"max_attempts": 2},
        timeout=1,
        side_effects=True,
        on_interrupt="fail",
        meta={"description": "d", "tags": ["t"]},
        profile={"system_prompt": "x", "description": "d", "extras": {"k": 1}, "version_hash": "0"},
    )
    document["metadata"] = {
        "description": "d",
        "tags": ["t"],
        "version_label": "1.0.0",
        "origin": {"kind": "inline"},
    }
    document["default_init_ctx"] = {"x": 1}
    document["default_operator_kind"] = "main_ai"
    document["operators"] = [{"name": "lead", "display_name": "Lead", "kind": "main_ai"}]
    assert lint(document, CATALOG) == []


# -- trust -------------------------------------------------------------------------------------


def untrusted(document):
    return found(document, trust="untrusted", registered=frozenset({"a"}))


def test_an_untrusted_blueprint_may_use_what_is_registered():
    assert untrusted(base(agents={})) == []
    assert untrusted(agents(spec={"fn_id": "identity"})) == []
    assert untrusted(agents()) == []


@pytest.mark.parametrize(
    ("document", "places"),
    [
        (base(agents={"a": "m:f"}), ["agents[0].spec.callable"]),
        (
            agents(kind="process", spec={"program": "sh", "args": ["-c"], "cwd": "/", "env": {}}),
            [f"agents[0].spec.{key}" for key in ("program", "args", "cwd", "env")],
        ),
        (agents(spec="m:f"), ["agents[0].spec"]),
        (agents(spec={"fn_id": {"$file": "/etc/passwd"}}), ["agents[0].spec.fn_id"]),
        (base(agents=[{"$agent_md": "a.md"}]), ["agents[0]"]),
        (base(default_init_ctx=[{"x": {"$file": "x", "more": 1}}]), ["default_init_ctx[0].x"]),
    ],
)
def test_what_needs_trust(document, places):
    problems = lint(document, CATALOG, trust="untrusted", registered=frozenset({"a"}))
    assert [problem.place for problem in problems if problem.code == "E-TRUST"] == places
    assert all(problem.severity == "error" for problem in problems if problem.code == "E-TRUST")
    assert "E-TRUST" not in {code for _, code in found(document)}


def test_programs_and_folders_outside_specs_need_trust():
    cwd = {"backend": "subprocess", "template": "s", "overrides": {"cwd": "/"}}
    document = {
        **agents(runner=cwd),
        "runners": [{"name": "r", "runner": cwd}],
        "subprocesses": [{"name": "s", "argv": ["sh"]}],
        "blueprint_ref_includes": ["/"],
    }
    assert [place for place, code in untrusted(document) if code == "E-TRUST"] == [
        "subprocesses[0]",
        "agents[0].runner.overrides.cwd",
        "runners[0].runner.overrides.cwd",
        "blueprint_ref_includes[0]",
    ]


def test_references_in_a_document_that_is_no_file():
    document = base(id={"$file": "x"}, default_init_ctx={"$file": "y"}, oops=1)
    assert found(document) == [
        ("id", "E-FILE"),
        ("default_init_ctx", "E-FILE"),
        ("oops", "E-FIELD-UNKNOWN"),
    ]


# -- all at once -------------------------------------------------------------------------------


def test_shape_problems_come_first_and_alone():
    assert found({"id": 3, "flow": {"step": "x", "in": 1, "out": "$.y"}}) == [("id", "E-FIELD-TYPE")]
    with pytest.raises(BadSyntax):
        lint({"id": {1}}, CATALOG)


def test_every_problem_is_reported_at_once():
    document = {
        "id": "b",
        "agents": [{"name": "a", "kind": "perl"}, {"name": "b", "kind": "lua"}],
        "spawner_hints": {"layers": ["nope"]},
        "check_policy": "warn",
        "flow": [STEP, {"step": "c", "in": "1 / 0", "out": "$.y"}],
    }
    assert found(document) == [
        ("agents[0].kind", "E-KIND"),
        ("agents[1]", "W-UNUSED-AGENT"),
        ("agents[1].kind", "E-KIND-NOT-YET"),
        ("spawner_hints.layers[0]", "E-HINT"),
        ("check_policy", "W-NOT-YET"),
        ("flow.children[1].ref", "E-REF"),
        ("flow.children[1].in.rhs", "E-DIV-ZERO"),
    ]


# -- codes -------------------------------------------------------------------------------------


def test_every_code_is_in_the_table_and_every_entry_is_used():
    folder = Path(skep.flow.__file__).parent
    workers = folder.parent / "workers"
    others = [folder.parent / "cli" / "callables.py", folder.parent / "lua" / "syntax.py"]
    files = [*folder.rglob("*.py"), *workers.glob("p*/*.py"), *others]
    text = "\n".join(file.read_text() for file in files if file.name != "codes.py")
    used = set(re.findall(r'"([EW]-[A-Z-]+)"', text))
    assert used - CODES.keys() == set()
    assert CODES.keys() - used == set()


def test_codes_are_explained():
    assert explain("E-REF") == f"E-REF: {CODES['E-REF']}"
    assert explain("E-JOURNAL-FAILED").startswith("E-JOURNAL-FAILED: A commit failed")
    with pytest.raises(SkepError, match="no code 'E-REFF'") as caught:
        explain("E-REFF")
    assert "E-REF" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "fix"), [("'caught'", "write value: caught"), ('"a"', "write value: a"), ("$.x", "branch")]
)
def test_a_case_value_that_looks_like_an_expression_is_a_warning(value, fix):
    cases = [{"value": "pass", "body": STEP}, {"value": value, "body": STEP}]
    (problem,) = lint(base(flow={"switch": "$.v", "cases": cases}), CATALOG)
    assert (problem.place, problem.code) == ("flow.cases[1].value", "W-CASE-TEXT")
    assert problem.severity == "warning"
    assert fix in problem.fix


@pytest.mark.parametrize("value", ["pass", "it's", "'", "", 1, None, "5 $"])
def test_a_plain_case_value_is_fine(value):
    assert lint(base(flow={"switch": "$.v", "cases": [{"value": value, "body": STEP}]}), CATALOG) == []
