from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import BadSyntax, LimitExceeded
from skep.flow.document import parse_document
from skep.flow.json_text import read_json
from skep.flow.yaml_scalars import UnclearScalarError, plain_key, plain_value
from skep.limits import DEFAULT_LIMITS, Limits


def yaml(text):
    return parse_document(text.encode(), "yaml", where="bp.yaml").value


def refusal(text, form="yaml"):
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises((BadSyntax, LimitExceeded)) as caught:
        parse_document(data, form, where="bp")
    return str(caught.value)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
trees = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(trees)
def test_json_text_keeps_every_value(value):
    assert parse_document(json.dumps(value).encode(), "json").value == value


@given(
    st.recursive(
        scalars | st.text("ab :#-\n'", max_size=8),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab1"), inner),
    )
)
def test_json_without_escapes_of_surrogates_is_yaml_too(value):
    text = json.dumps(value)
    assert parse_document(text.encode(), "yaml").value == value


def test_yaml_forms():
    assert yaml("a: [1, -2, 1.5, 1e3]\nb: {c: ~, d: 'yes'}\ne: >\n  two\n  words\n") == {
        "a": [1, -2, 1.5, 1000.0],
        "b": {"c": None, "d": "yes"},
        "e": "two words\n",
    }


def test_aliases_share_a_value():
    assert yaml("a: &x {b: 1}\nc: [*x, *x]\nd: &s text\ne: *s") == {
        "a": {"b": 1},
        "c": [{"b": 1}, {"b": 1}],
        "d": "text",
        "e": "text",
    }


def test_words_that_are_booleans_in_yaml_1_1_are_text_as_keys():
    assert yaml("on: x\nyes: y\nOff: z") == {"on": "x", "yes": "y", "Off": "z"}


def test_timestamps_and_clock_times_are_text():
    assert yaml("a: 2024-01-01\nb: 2024-01-01T10:00:00Z\nc: 12:30:01") == {
        "a": "2024-01-01",
        "b": "2024-01-01T10:00:00Z",
        "c": "12:30:01",
    }


def test_lines_say_where_a_place_was_written():
    document = parse_document(b"id: x\nagents:\n  - name: a\n    spec: {b: 1}\n  - name: c\n", "yaml")
    assert document.lines["id"] == 1
    assert document.lines["agents[0].spec.b"] == 4
    assert document.lines["agents[1]"] == 5


def test_a_byte_order_mark_is_left_out():
    assert parse_document(b'\xef\xbb\xbf{"a":1}', "json").value == {"a": 1}
    assert parse_document(b"\xef\xbb\xbfa: 1", "yaml").value == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: yes",
            "bp:1: 'yes' is a boolean in some versions of YAML and text in others (write true, false or",
        ),
        ("a: 1\nb: 0777", "bp:2: '0777' is another number in another version of YAML"),
        ("a: 1_000", "another number"),
        ("a: 0x1F", "another number"),
        ("1: x", "bp:1: key '1' is not text (quote it: \"1\")"),
        ("true: x", "key 'true' is not text"),
        ("~: x", "key '~' is not text"),
        ("a: {{ directive }}", "bp:1: a key must be text (quote a text that starts with { or [)"),
        ("? [a]\n: b", "a key must be text"),
        ("a: 1\nb: 2\na: 3", "bp:3: key a stands twice in the same object"),
        ("a:\n  b: 1\n  b: 1", "bp:3: key a.b stands twice"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "bp:3: merge keys (<<) are not supported"),
        (
            "a: !!python/object/apply:os.system ['x']",
            "tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed",
        ),
        ("a: !thing 5", "tag '!thing' is not allowed"),
        ("a: .nan", ".nan is not a JSON number"),
        ("a: -.inf", "-.inf is not a JSON number"),
        ("a: 1e999", "too large"),
        ("a: " + "9" * 5000, "integer outside 64 bits"),
        ("a: 18446744073709551616", "integer outside 64 bits"),
        ("a: 1\n---\nb: 1", "bp:2: a second document starts here"),
        ("", "the document is empty"),
        ("# only a comment", "the document is empty"),
        ("a: [1, 2\nb: 3", "bp:2:2: not YAML"),
        ("a: \x01", "not YAML: unacceptable character"),
        ("a: &a [*a]", "alias *a has no finished value before it"),
        ("a: *nobody", "alias *nobody has no finished value before it"),
        ("a: &k x\n*k : 1", "alias *k"),
        (b"a: \xff", "bp: not UTF-8 at byte 3 (save the file as UTF-8)"),
        ("a: 1".encode("utf-16"), "not UTF-8 at byte 0"),
    ],
)
def test_yaml_that_is_refused(text, message):
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":1,}', "bp:1:8: not JSON"),
        ("", "bp:1:1: not JSON"),
        ('{"a": [{"b": 1, "b": 2}]}', "key a[0].b stands twice in the same object"),
        ('{"b": 1, "b": 2, "c": 3}', "key b stands twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[1e999]", "too large"),
        (f"[{'9' * 5000}]", "integer outside 64 bits"),
        ("[18446744073709551616]", "integer outside 64 bits"),
        ('["\\ud800"]', "lone surrogate"),
        (b'["\xff"]', "not UTF-8 at byte 2"),
    ],
)
def test_json_that_is_refused(text, message):
    assert message in refusal(text, "json")


def test_every_plain_scalar_has_one_meaning():
    for value, word in ((None, "null"), (True, "true"), (False, "false")):
        assert [plain_value(form) for form in (word, word.title(), word.upper())] == [value] * 3
    assert plain_value("") is plain_value("~") is None
    assert [plain_value(word) for word in ("Null", "TRUE", "+3", ".5", "3.", "-0")] == [
        None,
        True,
        3,
        0.5,
        3.0,
        0,
    ]
    assert plain_value("0.5") == 0.5
    assert plain_value("v1.2") == "v1.2"
    assert plain_key("name") == "name"
    with pytest.raises(UnclearScalarError, match="not text"):
        plain_key("1.5")


def test_limits_are_exact():
    assert yaml("[" * 400 + "]" * 400) is not None
    assert "max_blueprint_depth" in refusal("[" * 401 + "]" * 401)
    assert parse_document(b"[" * 400 + b"]" * 400, "json").value is not None
    assert "max_blueprint_depth" in refusal("[" * 401 + "]" * 401, "json")
    few = Limits(max_blueprint_nodes=4)
    assert (
        parse_document(b"[1,2,3]", "json", few).value
        == parse_document(b"[1,2,3]", "yaml", few).value
        == [1, 2, 3]
    )
    for form in ("json", "yaml"):
        with pytest.raises(LimitExceeded, match="max_blueprint_nodes"):
            parse_document(b"[1,2,3,4]", form, few)


def test_brackets_in_strings_do_not_nest():
    assert read_json(json.dumps('"' + "[" * 1000 + "\\"), DEFAULT_LIMITS, 1, "x") == '"' + "[" * 1000 + "\\"


def test_a_document_too_large_is_refused_before_it_is_read():
    with pytest.raises(LimitExceeded, match="max_blueprint_bytes"):
        parse_document(b"x" * 11, "yaml", Limits(max_blueprint_bytes=10))
