"""Laws over random flows, completed in random order by random outcomes."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from machines import Drive, ask, branch, expr, fanout, let, loop, parallel, seq, step, switch, try_, wait
from skep.flow import nodes
from skep.flow.equality import equal
from skep.flow.evaluate import compile_expr
from skep.flow.inputs import AskWant, TimerWant, Want
from skep.flow.operators import truthy
from skep.flow.path import write

NO = "dispatcher error for ref 'fail': no"
SIGNAL = 4
"""What every signal brings, so that it does not matter who gets which."""
START = {"a": 0, "b": 1, "c": 2, "items": [3, 1, 2], "none": []}
GATHERING: tuple[nodes.Join, ...] = ("all", "all_settled")
EVERY_JOIN: tuple[nodes.Join, ...] = (*GATHERING, "any", "race")

SEEDS = st.integers(0, 2**32)
DEPTHS = st.integers(2, 5)
"""Drawn beside the seed, so that a failure shrinks to a shallow flow.

The flow itself comes from the seed: drawn piece by piece, most flows would hold no step that is reached.
"""


class Chance:
    """Everything that is random in one example."""

    def __init__(self, seed: int, joins: tuple[nodes.Join, ...]) -> None:
        self._random = Random(seed)  # noqa: S311 - an example that can be made again
        self._joins = joins

    def below(self, count: int) -> int:
        return self._random.randrange(count)

    def one(self, *choices: Any) -> Any:
        return choices[self.below(len(choices))]

    def flow(self, depth: int) -> nodes.Node:
        if depth == 0 or self.below(12) == 0:
            return self.one(self._let, self._ask, self._wait, self._step, self._step, self._step)()
        return self.one(*self._LARGER)(self, depth - 1)

    def _step(self) -> nodes.Node:
        agent = "fail" if self.below(8) == 0 else "add"
        skip_if = self.one(None, None, None, expr("$.a < 2"), expr("$.b == $.c"))
        return step(agent, self._given(), self._name(), skip_if=skip_if)

    def _given(self) -> str:
        return self.one("{'x': $.a}", "[$.a, $.b]", "$.c", "1")

    def _ask(self) -> nodes.Node:
        audience = "principal:nobody" if self.below(8) == 0 else "role:senior"
        return ask(self._given(), self._name(), audience, deadline=60.0)

    def _wait(self) -> nodes.Node:
        if self.below(2) == 0:
            return wait(for_=self.one("1", "-$.a", "len($.items) * 10"))
        return wait(signal=self.one("go", "stop"), out=self.one(None, self._name()))

    def _let(self) -> nodes.Node:
        return let(self._name(), self._number())

    def _name(self) -> str:
        return self.one("$.a", "$.b", "$.c")

    def _number(self) -> str:
        return self.one("$.a", "$.b", "$.c", "1", "2", "$.a + 1", "$.b + $.c", "len($.items)")

    def _cond(self) -> str:
        return self.one("true", "true", "$.a < 5", "$.a <= $.b", "$.b > $.c or $.a == 1")

    def _flows(self, least: int, most: int, depth: int) -> list[nodes.Node]:
        return [self.flow(depth) for _ in range(least + self.below(most - least + 1))]

    def _seq(self, depth: int) -> nodes.Node:
        return seq(self._step(), *self._flows(0, 3, depth))

    def _branch(self, depth: int) -> nodes.Node:
        return branch(self._cond(), self.flow(depth), self.flow(depth))

    def _switch(self, depth: int) -> nodes.Node:
        cases = list(enumerate(self._flows(0, 3, depth)))
        # Always a default: a missing case would be a second kind of error.
        return switch(self._number(), cases, self.flow(depth))

    def _loop(self, depth: int) -> nodes.Node:
        return loop(self.flow(depth), 1 + self.below(3), self._cond())

    def _try(self, depth: int) -> nodes.Node:
        return try_(self.flow(depth), self.flow(depth))

    def _fanout(self, depth: int) -> nodes.Node:
        items = self.one("$.items", "$.items", "[0, 1]", "[$.a, $.b, 1, 2]", "$.none")
        room = self.one(None, None, 1, 2)
        join = self.one(*self._joins)
        return fanout(self.flow(depth), join, "$.a", items, "$.b", max_concurrency=room)

    def _parallel(self, depth: int) -> nodes.Node:
        branches = dict(zip("pqr", self._flows(1, 3, depth), strict=False))
        return parallel(branches, self.one(*self._joins), "$.c")

    _LARGER = (_seq, _seq, _branch, _switch, _loop, _try, _fanout, _fanout, _parallel, _parallel)


def outcome(who: str, given: Any) -> int | None:
    """What agents and people do: a number that depends on what they are given alone, or failure."""
    return None if who in ("fail", "principal:nobody") else sum(map(ord, repr(given))) % 7


def perform(drive: Drive, key: str) -> None:
    want = drive.live[key]
    if isinstance(want, TimerWant):
        drive.fire(key)
    elif isinstance(want, AskWant):
        value = outcome(want.audience[0], want.question)
        if value is None:
            drive.leave_unanswered(key, NO)
        else:
            drive.answer(key, value)
    elif isinstance(want, Want):
        value = outcome(want.agent, want.input)
        if value is None:
            drive.fail(key, "no")
        else:
            drive.ok(key, value)
    else:
        drive.signal(want.name, SIGNAL)


def carry_out(drive: Drive, chance: Chance, inputs: int = 5_000) -> None:
    """Complete and end what there is, in any order, to the end of the flow or for so many inputs."""
    for _ in range(inputs):
        if drive.ended is not None:
            return
        open_ = [*drive.live, *drive.ending]
        assert open_, "the flow waits for nothing and has not ended"
        key = open_[chance.below(len(open_))]
        if chance.below(15) == 0:
            drive.signal(chance.one("go", "stop", "nobody"), SIGNAL)
        elif key in drive.live:
            perform(drive, key)
        else:
            drive.end(key)


LAWS = settings(max_examples=300, deadline=None)


@LAWS
@given(SEEDS, DEPTHS)
def test_every_drive_keeps_its_books_survives_json_and_replays(seed, depth):
    """`Drive` checks the books, unique keys and the way through JSON at every input; here also the fold."""
    chance = Chance(seed, EVERY_JOIN)
    drive = Drive(chance.flow(depth), START)
    carry_out(drive, chance)
    assert drive.ended is not None
    assert drive.replay().dump() == drive.machine.dump()
    assert drive.replay().ended == drive.ended


@LAWS
@given(SEEDS, DEPTHS, st.integers(0, 20))
def test_a_cancel_at_any_point_ends_the_run_once_all_has_ended(seed, depth, after):
    chance = Chance(seed, EVERY_JOIN)
    drive = Drive(chance.flow(depth), START)
    carry_out(drive, chance, after)
    half_way = drive.replay()
    assert half_way.dump() == drive.machine.dump()
    assert half_way.wanted() == drive.machine.wanted()
    if drive.ended is None:
        drive.cancel("law")
        while drive.ending:
            assert drive.ended is None
            drive.end(chance.one(*drive.ending))
        assert drive.ended is not None
        assert (drive.ended.status, drive.ended.reason) == ("cancelled", "law")


@LAWS
@given(SEEDS, DEPTHS)
def test_joins_without_a_winner_do_not_depend_on_the_order(seed, depth):
    """With one kind of error: which of several is the first to fail a join does depend on the order."""
    chance = Chance(seed, GATHERING)
    flow = chance.flow(depth)
    drive = Drive(flow, START)
    carry_out(drive, chance)
    must_end_as(drive, by_recursion(flow))


@LAWS
@given(SEEDS, DEPTHS, st.integers(0, 30))
def test_a_run_that_is_recovered_at_any_point_ends_as_the_unbroken_one(seed, depth, after):
    chance = Chance(seed, GATHERING)
    flow = chance.flow(depth)
    drive = Drive(flow, START)
    carry_out(drive, chance, after)
    before = drive.machine.wanted()
    drive.recover()
    assert drive.machine.wanted() == before == drive.replay().wanted()
    carry_out(drive, chance)
    must_end_as(drive, by_recursion(flow))


def must_end_as(drive: Drive, expected: Any) -> None:
    assert drive.ended is not None
    if isinstance(expected, str):
        assert drive.error["message"] == expected
    else:
        assert drive.ctx == expected


# -- the same semantics, written down once more as plain recursion -----------------------------


class _FailedError(Exception):
    pass


def by_recursion(flow: nodes.Node) -> Any:
    """The final ctx, or the text of the error."""
    try:
        return _eval(flow, START)
    except _FailedError as error:
        return str(error)


def _eval(node: nodes.Node, ctx: Any) -> Any:  # noqa: C901, PLR0912 - a table of nodes
    match node:
        case nodes.Step():
            if node.skip_if is not None and compile_expr(node.skip_if)(ctx):
                return ctx
            value = outcome(node.agent, compile_expr(node.input)(ctx))
            if value is None:
                raise _FailedError(NO)
            return write(ctx, node.out, value)
        case nodes.Ask():
            value = outcome(node.audience[0], compile_expr(node.question)(ctx))
            if value is None:
                raise _FailedError(NO)
            return write(ctx, node.out, value)
        case nodes.Wait():
            return ctx if node.out is None else write(ctx, node.out, SIGNAL)
        case nodes.Let():
            return write(ctx, node.at, compile_expr(node.value)(ctx))
        case nodes.Seq():
            for child in node.children:
                ctx = _eval(child, ctx)
            return ctx
        case nodes.Branch():
            return _eval(node.then if compile_expr(node.cond)(ctx) else node.otherwise, ctx)
        case nodes.Switch():
            value = compile_expr(node.on)(ctx)
            for case in node.cases:
                if equal(case.value, value):
                    return _eval(case.body, ctx)
            if node.default is None:
                raise _FailedError(f"switch has no case for {value}")
            return _eval(node.default, ctx)
        case nodes.Loop():
            turn = 0
            ctx = write(ctx, node.counter, 0)
            while turn < node.max and truthy(compile_expr(node.cond)(ctx)):
                turn += 1
                ctx = write(_eval(node.body, ctx), node.counter, turn)
            return ctx
        case nodes.Try():
            try:
                return _eval(node.body, ctx)
            except _FailedError as error:
                return _eval(node.catch, write(ctx, node.err_at, str(error)))
        case nodes.Fanout():
            lanes = [write(ctx, node.bind, item) for item in compile_expr(node.items)(ctx)]
            return write(ctx, node.out, [_lane(node, node.body, lane) for lane in lanes])
        case nodes.Parallel():
            branches = node.branches.items()
            return write(ctx, node.out, {name: _lane(node, body, ctx) for name, body in branches})
    raise AssertionError(node)


def _lane(node: Any, body: nodes.Node, ctx: Any) -> Any:
    try:
        value = compile_expr(node.select)(_eval(body, ctx))
    except _FailedError as error:
        if node.join == "all":
            raise
        return {"status": "rejected", "reason": str(error)}
    return value if node.join == "all" else {"status": "fulfilled", "value": value}
