from __future__ import annotations

import pytest

from skep.errors import StrategyError
from skep.strategy.scenarios import MAX_SCENARIO_BYTES, Scenarios


def test_install_list_and_show(tmp_path):
    scenarios, source = Scenarios(tmp_path / "home"), tmp_path / "source"
    (source / "scenarios").mkdir(parents=True)
    (source / "scenarios" / "b.lua").write_text("return {'b'}")
    (source / "scenarios" / "a.lua").write_text("return {'a'}")
    (source / "scenarios" / "bad.lua").write_bytes(b"\xff")
    (source / "scenarios" / "big.lua").write_bytes(b"-" * (MAX_SCENARIO_BYTES + 1))
    (source / "scenarios" / "link.lua").symlink_to("/etc/passwd")
    (source / "scenarios" / "note.txt").write_text("no")
    (source / "other.lua").write_text("no")
    assert scenarios.every() == []
    found = scenarios.install(source)
    assert (found.installed, found.skipped) == (["a", "b"], [])
    assert [name for name, _ in found.failures] == ["bad", "big"]
    assert scenarios.install(source).skipped == ["a", "b"]
    path = tmp_path / "home" / "scenarios" / "a.lua"
    assert scenarios.every()[0] == {"name": "a", "path": str(path), "size_bytes": 12}
    assert scenarios.show("a") == {"name": "a", "path": str(path), "content": "return {'a'}"}


def test_a_folder_without_a_folder_of_scenarios(tmp_path):
    (tmp_path / 'it\'s "quoted".lua').write_text("return {}")
    scenarios = Scenarios(tmp_path / "home")
    assert scenarios.install(tmp_path).installed == ['it\'s "quoted"']
    assert scenarios.show('it\'s "quoted"')["content"] == "return {}"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x\0"])
def test_names(tmp_path, name):
    with pytest.raises(StrategyError, match="Invalid scenario name"):
        Scenarios(tmp_path).show(name)


def test_what_is_not_there(tmp_path):
    with pytest.raises(StrategyError, match="Scenario not found: x"):
        Scenarios(tmp_path).show("x")
    with pytest.raises(StrategyError, match="holds no scenarios"):
        Scenarios(tmp_path).install(tmp_path / "none")
