from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import LimitExceeded
from skep.lua.limits import Limits
from skep.strategy import Completed, StrategyHost
from skep.strategy.cards import toml
from skep.strategy.cards.fingerprint import fingerprint, model_short
from skep.testing.aio import run

MAKE = "local id = alc.card.create({pkg = {name = 'p'}, card_id = 'one', stats = {pass_rate = 1}}).card_id "


async def nobody(query):
    raise AssertionError(query)


def result(home, code, ctx=None):
    async def go():
        async with StrategyHost(home=home, limits=Limits(wall=10)) as host:
            return await host.run(code, ctx, answer=nobody)

    ended = run(go())
    assert isinstance(ended, Completed), ended
    return ended.result


def refused(home, code):
    said = result(home, f"local ok, err = pcall(function() {code} end) return {{ok, type(err), err}}")
    assert said[:2] == [False, "string"]
    return said[2]


def test_a_card_in_its_published_form(tmp_path):
    made = result(
        tmp_path,
        "return alc.card.create({pkg = {name = 'cot'}, model = {id = 'claude-opus-4-6'}, gone = null,"
        " params = {depth = 3, temperature = 0.0}, scenario = {name = 'math'}, stats = {pass_rate = 1}})",
    )
    assert re.fullmatch(r"cot_opus46_\d{8}T\d{6}_[0-9a-f]{6}", made["card_id"])
    assert made["path"] == str(tmp_path / "cards" / "cot" / f"{made['card_id']}.toml")
    card = tomllib.loads((tmp_path / "cards" / "cot" / f"{made['card_id']}.toml").read_text())
    assert card["schema_version"] == "card/v0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", card["created_at"])
    assert card["created_by"].startswith("skep@")
    assert card["param_fingerprint"] == fingerprint({"depth": 3, "temperature": 0.0})
    assert card["params"] == {"depth": 3, "temperature": 0.0}
    assert "gone" not in card
    assert result(tmp_path, "return alc.card.get(ctx.id)", {"id": made["card_id"]}) == card
    (shown,) = result(tmp_path, "return alc.card.list()")
    assert shown == {
        "card_id": made["card_id"],
        "pkg": "cot",
        "created_at": card["created_at"],
        "model": "claude-opus-4-6",
        "scenario": "math",
        "pass_rate": 1.0,
    }


def test_two_cards_alike_in_one_second_have_two_ids(tmp_path):
    given_card = "{pkg = {name = 'p'}, created_at = 'then'}"
    ids = result(
        tmp_path,
        f"return {{alc.card.create({given_card}).card_id, alc.card.create({given_card}).card_id}}",
    )
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("alc.card.create({})", "alc.card.create: pkg.name is required"),
        ("alc.card.create({pkg = {name = ''}})", "alc.card.create: pkg.name is required"),
        ("alc.card.create('x')", "alc.card.create: a table is needed"),
        ("alc.card.create()", "alc.card.create: a table is needed"),
        ("alc.card.create({pkg = {name = '../p'}})", "Invalid pkg name: '../p'"),
        ("alc.card.create({pkg = {name = 'p'}, card_id = 'a/b'})", "Invalid card_id: 'a/b'"),
        (MAKE * 2, "alc.card.create: card 'one' already exists (immutable)"),
        ("alc.card.append('one', {a = 1})", "alc.card.append: card 'one' not found"),
        (MAKE + "alc.card.append(id, {stats = 1})", "key 'stats' already set on card 'one' (immutable)"),
        ("alc.card.write_samples('one', {1})", "alc.card.write_samples: card 'one' not found"),
        (MAKE + "alc.card.write_samples(id, {})", "alc.card.write_samples: samples must be an array"),
        (
            MAKE + "alc.card.write_samples(id, {1}) alc.card.write_samples(id, {1})",
            "samples already exist for card 'one' (write-once)",
        ),
        ("alc.card.read_samples('one')", "alc.card.read_samples: card 'one' not found"),
        (MAKE + "alc.card.read_samples(id, {where = 1})", "where clause must be a table"),
        (MAKE + "alc.card.find({where = 1})", "where clause must be a table"),
        ("alc.card.alias_set('a', 'one')", "alc.card.alias_set: card 'one' not found"),
        ("alc.card.lineage({})", "alc.card.lineage: card_id is required"),
        (
            "alc.card.lineage({card_id = 'a', direction = 'left'})",
            "direction 'left' must be up, down or both",
        ),
        ("alc.card.sink_backfill({sink = 'file:///x'})", "unknown sink: file:///x"),
        ("alc.card.get('..')", "Invalid card_id: '..'"),
    ],
)
def test_errors_in_the_published_words(tmp_path, code, text):
    assert text in refused(tmp_path, code)


def test_append_adds_and_returns_the_whole(tmp_path):
    merged = result(tmp_path, MAKE + "return alc.card.append(id, {note = 'n', nothing = null})")
    assert merged["note"] == "n"
    assert "nothing" not in merged
    assert result(tmp_path, "return alc.card.get('one')") == merged
    assert result(tmp_path, "return alc.card.get('none') == nil")


def test_samples(tmp_path):
    wrote = result(
        tmp_path,
        MAKE
        + "return alc.card.write_samples(id, {{ok = true, n = 1}, {ok = false}, {ok = true, n = 2.0}, 'x'})",
    )
    path = tmp_path / "cards" / "p" / "one.samples.jsonl"
    assert wrote == {"path": str(path), "count": 4}
    assert path.read_text() == '{"n":1,"ok":true}\n{"ok":false}\n{"n":2.0,"ok":true}\n"x"\n'
    read = "return alc.card.read_samples('one', {where = {ok = true}, offset = 1, limit = 5})"
    assert result(tmp_path, read) == [{"n": 2.0, "ok": True}]
    assert len(result(tmp_path, "return alc.card.read_samples('one')")) == 4
    assert (
        result(
            tmp_path, "alc.card.create({pkg={name='p'}, card_id='two'}) return alc.card.read_samples('two')"
        )
        == []
    )


def test_find_and_list(tmp_path):
    result(
        tmp_path,
        "for i = 1, 4 do alc.card.create({pkg = {name = i < 4 and 'p' or 'q'}, card_id = 'c' .. i,"
        " created_at = '2026-01-0' .. i, stats = {pass_rate = i / 4, n = i % 2}}) end",
    )

    def ids(query, name="find"):
        return result(
            tmp_path,
            f"local all = array({{}}) for i, c in ipairs(alc.card.{name}(ctx.q)) do all[i] = c.card_id end return all",
            {"q": query},
        )

    assert ids(None) == ids(None, "list") == ["c4", "c3", "c2", "c1"]
    assert ids({"pkg": "q"}) == ids({"pkg": "q"}, "list") == ["c4"]
    assert ids({"pkg": "none"}) == []
    assert ids({"where": {"stats": {"pass_rate": {"gte": 0.5}}}, "order_by": "stats.pass_rate"}) == [
        "c2",
        "c3",
        "c4",
    ]
    assert ids({"order_by": ["-stats.n", "stats.pass_rate"], "offset": 1, "limit": 2}) == ["c3", "c2"]


def test_aliases(tmp_path):
    got = result(
        tmp_path,
        MAKE + "alc.card.alias_set('best', id) "
        "local a = alc.card.alias_set('best', id, {pkg = 'p', note = 'n'}) alc.card.alias_set('other', id) "
        "return {a, alc.card.alias_list(), alc.card.alias_list({pkg = 'p'}), alc.card.get_by_alias('best').card_id,"
        " alc.card.get_by_alias('none') == nil}",
    )
    alias, every, of_p, card_id, none = got
    assert {name: alias[name] for name in ("name", "card_id", "pkg", "note")} == {
        "name": "best", "card_id": "one", "pkg": "p", "note": "n",
    }  # fmt: skip
    assert [one["name"] for one in every] == ["best", "other"]
    assert of_p == [alias]
    assert (card_id, none) == ("one", True)
    (tmp_path / "cards" / "p" / "one.toml").unlink()
    assert "which is gone" in refused(tmp_path, "alc.card.get_by_alias('best')")


def test_lineage(tmp_path):
    result(
        tmp_path,
        "local function make(id, prior, relation) alc.card.create({pkg = {name = 'p'}, card_id = id, stats = {n = 1},"
        " metadata = {prior_card_id = prior, prior_relation = relation}}) end "
        "make('a', 'd') make('b', 'a', 'sweep') make('c', 'b', 'fix') make('d', 'c')",
    )

    def walk(**query):
        found = result(tmp_path, "return alc.card.lineage(ctx)", {"card_id": "b", **query})
        return {node["card_id"]: node["depth"] for node in found["nodes"]}, found

    up, found = walk()
    assert up == {"b": 0, "a": -1, "d": -2, "c": -3}
    assert found["edges"][0] == {"from": "b", "to": "a", "relation": "sweep"}
    assert found["truncated"] is False
    down, _ = walk(direction="down")
    assert down == {"b": 0, "c": 1, "d": 2, "a": 3}
    short, found = walk(direction="down", depth=1, include_stats=False)
    assert (short, found["truncated"], "stats" in found["nodes"][0]) == ({"b": 0, "c": 1}, True, False)
    assert walk(relation_filter=["sweep"])[0] == {"b": 0, "a": -1}
    assert result(tmp_path, "return alc.card.lineage({card_id = 'none'}) == nil")


def test_sinks(tmp_path, monkeypatch, caplog):
    uri, home = (tmp_path / "a sink").as_uri(), tmp_path / "home"
    result(home, MAKE + "alc.card.write_samples(id, {1})")
    monkeypatch.setenv("ALC_CARD_SINKS", f"{uri}|http://x/|{uri}")
    result(home, "alc.card.create({pkg = {name = 'p'}, card_id = 'two'}) alc.card.alias_set('x', 'two')")
    sink = tmp_path / "a sink"
    assert (sink / "p" / "two.toml").exists()
    assert (sink / "_aliases.toml").exists()
    assert "'http://x/' is no file:///folder" in caplog.text
    fill = "return alc.card.sink_backfill({sink = ctx.uri, dry_run = ctx.dry})"
    expected = {"sink": uri, "pushed": ["one"], "skipped": ["two"], "failed": [], "pushed_samples": ["one"]}
    assert result(home, fill, {"uri": uri, "dry": True}) == expected
    assert not (sink / "p" / "one.toml").exists()
    assert result(home, fill, {"uri": uri}) == expected
    assert (sink / "p" / "one.samples.jsonl").read_text() == "1\n"
    assert result(home, fill, {"uri": uri})["pushed"] == []


def test_a_sink_that_fails_harms_no_card(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALC_CARD_SINKS", (tmp_path / "file").as_uri())
    assert result(tmp_path / "home", MAKE + "return id") == "one"
    assert "a card was not copied" in caplog.text


@pytest.mark.parametrize("content", [b"a = ", b"\xff", b"a = " + b"[" * 50_000])
def test_a_corrupt_card_is_named(tmp_path, content):
    (tmp_path / "cards" / "p").mkdir(parents=True)
    path = tmp_path / "cards" / "p" / "one.toml"
    path.write_bytes(content)
    for call in ("get('one')", "list()", "append('one', {})"):
        assert str(path) in refused(tmp_path, f"alc.card.{call}")
    assert path.read_bytes() == content


def test_corrupt_samples_and_aliases_are_named(tmp_path):
    result(tmp_path, MAKE + "alc.card.write_samples(id, {1})")
    samples = tmp_path / "cards" / "p" / "one.samples.jsonl"
    samples.write_text("1\n{\n")
    assert f"{samples}:2" in refused(tmp_path, "alc.card.read_samples('one')")
    aliases = tmp_path / "cards" / "_aliases.toml"
    aliases.write_text("alias = 3")
    assert str(aliases) in refused(tmp_path, "alc.card.alias_list()")


def test_a_card_too_large_is_refused(tmp_path):
    code = "alc.card.create({pkg = {name = 'p'}, text = ('x'):rep(2 << 20)})"
    assert "max_card_bytes" in refused(tmp_path, code)
    path = tmp_path / "big.toml"
    path.write_bytes(b"#" * (toml.MAX_CARD_BYTES + 1))
    with pytest.raises(LimitExceeded):
        toml.load(path)


json = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=4), json, max_size=4))
def test_a_document_is_read_as_it_was_written(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("toml") / "card.toml"
    path.write_bytes(toml.dump(document, "test"))
    assert toml.load(path) == document


def test_the_published_fingerprint():
    assert fingerprint({"b": 'a"b', "a": [1, 2.0, None, False]}) == djb2('{"a":[1,2.0,null,false],"b":"a"b"}')
    assert model_short("gpt-4o-mini") == "4omini"
    assert model_short("mine 1") == "mine1"


def djb2(text):
    hashed = 5381
    for byte in text.encode():
        hashed = (hashed * 33 + byte) % 2**64
    return f"{hashed:016x}"


TWO = """
import sys, pathlib
from skep.strategy.home import Home
from skep.strategy.cards.aliases import Aliases
home, me = Home(pathlib.Path(sys.argv[1])), sys.argv[2]
card = {"pkg": {"name": "p"}, "created_at": "then", "who": me}
for number in range(15):
    made = home.effects.change("cards", lambda: home.cards.create(card, 0))
    name = f"{me}{number}"
    home.effects.change("cards", lambda: Aliases(home.cards).bind(name, made["card_id"], None, 0))
"""


def test_two_processes_lose_no_card_and_no_alias(tmp_path):
    both = [subprocess.Popen([sys.executable, "-c", TWO, str(tmp_path), who]) for who in "ab"]
    assert [child.wait(60) for child in both] == [0, 0]
    assert len(list((tmp_path / "cards" / "p").glob("*.toml"))) == 30
    assert len(tomllib.loads((tmp_path / "cards" / "_aliases.toml").read_text())["alias"]) == 30
