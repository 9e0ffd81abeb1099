from __future__ import annotations

import pytest

from skep import config
from skep.errors import ConfigError


def test_the_home_is_what_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SKEP_HOME", str(tmp_path / "here"))
    assert config.home_path() == tmp_path / "here"


def test_the_home_is_in_the_users_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("SKEP_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.home_path() == tmp_path / ".skep"


def test_a_new_home_belongs_to_its_owner_alone(tmp_path):
    home = config.open_home(tmp_path / "a" / "home")
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_home_that_others_may_write_is_refused_with_the_fix(tmp_path, mode):
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        config.open_home(tmp_path)
    assert caught.value.fix == f"chmod 700 {tmp_path}"


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o702, True), (0o1777, False), (0o775, False)])
def test_a_home_that_others_may_rename_is_refused_with_the_fix(tmp_path, mode, refused):
    config.open_home(tmp_path / "home")
    tmp_path.chmod(mode)
    if not refused:
        assert config.open_home(tmp_path / "home")
        return
    with pytest.raises(ConfigError, match="others may rename the home") as caught:
        config.open_home(tmp_path / "home")
    assert caught.value.fix == f"chmod o-w {tmp_path}"


def test_a_home_of_somebody_else_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="another user"):
        config.open_home(tmp_path)


def test_a_file_is_no_home(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="home cannot be used"):
        config.open_home(file)
