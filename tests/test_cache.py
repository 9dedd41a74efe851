"""The user's cache: private, and refused where it is not."""

import pytest

from slimtrain.cache import CacheError, private


def test_it_is_made_for_its_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = private("things")
    assert path == tmp_path / "slimtrain" / "things"
    assert path.stat().st_mode & 0o777 == 0o700
    assert private("things") == path


def test_one_that_others_can_write_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    private("things").chmod(0o722)
    with pytest.raises(CacheError, match="can be written by others; delete it, or chmod 700"):
        private("things")


def test_a_file_in_its_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "slimtrain").write_text("")
    with pytest.raises(CacheError, match="slimtrain/things: "):
        private("things")
