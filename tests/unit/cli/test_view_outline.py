from __future__ import annotations

from skep.cli.view.outline import SPOTS_SHOWN, Spot, outline
from skep.flow.expr import Lit
from skep.flow.nodes import Branch, Case, Fanout, Let, Loop, Parallel, Seq, Step, Switch, Try
from skep.flow.path import Path

AT = Path(("x",))
ANY = Lit(None)


def step(agent: str, name: str | None = None) -> Step:
    return Step(id=name, agent=agent, input=ANY, out=AT)


def shown(spot: Spot, depth: int = 0) -> list[str]:
    lines = [f"{'  ' * depth}{spot.label} @{spot.key}"] if spot.label else []
    for child in spot.children:
        lines += shown(child, depth + bool(spot.label))
    return lines


def test_every_node_is_shown_with_the_key_that_its_tasks_have():
    flow = Seq(
        children=(
            step("a"),
            Let(at=AT, value=ANY),
            Fanout(id="files", items=ANY, bind=AT, out=AT, body=Seq(children=(step("b", "lint"), step("c")))),
            Branch(cond=ANY, then=step("d"), otherwise=Seq()),
            Loop(counter=AT, cond=ANY, body=step("e"), max=3),
            Try(body=step("f"), catch=step("g")),
            Parallel(branches={"left": step("h"), "right": step("i")}, out=AT),
            Switch(on=ANY, cases=(Case(1, step("j")),), default=step("k")),
        )
    )
    assert shown(outline(flow)) == [
        "a @0",
        "files (fanout) @files",
        "  lint (b) @files/lint",
        "  c @files/1",
        "branch @3",
        "  d @3/then",
        "loop @4",
        "  e @4",
        "try @5",
        "  f @5/body",
        "  g @5/catch",
        "parallel @6",
        "  h @6/left",
        "  i @6/right",
        "switch @7",
        "  j @7/case0",
        "  k @7/default",
    ]


def test_a_single_step_is_a_flow():
    assert shown(outline(step("a"))) == ["a @0"]
    assert shown(outline(step("a", "only"))) == ["only (a) @only"]


def test_a_flow_without_steps_has_nothing_to_show():
    assert shown(outline(Seq(children=(Let(at=AT, value=ANY),)))) == []


def test_an_outline_is_bounded():
    flow = Seq(children=tuple(step("a") for _ in range(10_000)))
    assert len(shown(outline(flow))) < SPOTS_SHOWN
