from __future__ import annotations

import pytest

from skep.errors import ConfigError
from skep.flow.catalog import Catalog, HintInfo, KindInfo, any_spec

PYTHON = KindInfo(name="python", aliases=("rust_fn",))


def test_a_kind_is_found_by_name_and_alias_and_listed_once():
    catalog = Catalog([PYTHON, KindInfo(name="lua", ready=False)])
    assert catalog.kind("rust_fn") is catalog.kind("python") is PYTHON
    assert [kind.name for kind in catalog.kinds] == ["python", "lua"]
    assert catalog.kind_names == ["python", "rust_fn", "lua"]
    assert catalog.kind("perl") is None


@pytest.mark.parametrize("again", [PYTHON, KindInfo(name="rust_fn"), KindInfo(name="x", aliases=("python",))])
def test_a_taken_name_is_refused(again):
    with pytest.raises(ConfigError, match="registered twice"):
        Catalog([PYTHON, again])


def test_hints_are_unique():
    catalog = Catalog(hints=[HintInfo(key="audit")])
    assert catalog.hint("audit") == HintInfo(key="audit")
    assert catalog.hint("nope") is None
    with pytest.raises(ConfigError, match="registered twice"):
        catalog.add_hint(HintInfo(key="audit"))


def test_the_permissive_catalog_knows_every_word():
    catalog = Catalog.permissive()
    assert catalog.kind("anything") == KindInfo(name="anything")
    assert catalog.hint("anything") == HintInfo(key="anything", repeats=True, check=any_spec)


def test_an_untrusted_blueprint_may_set_nothing_unless_the_kind_says_so():
    assert KindInfo(name="x").untrusted_keys == frozenset()
