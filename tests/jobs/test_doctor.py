"""`slimtrain doctor`, as a user meets it: whole processes, and folders that are not as they should be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from soak import disks

from slimtrain.jobs import computing, surroundings
from slimtrain.jobs.doctor import record, well
from slimtrain.jobs.findings import Finding, found_by, summary, text

ROOT = Path(__file__).parents[2]


def doctor(folder, *words, path=(), **variables):
    """(exit code, stdout, stderr) of the command in a process of its own."""
    own = {
        "SLIMTRAIN_SELF_TEST": "0",
        "SLIMTRAIN_NATIVE": "0",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XLA_FLAGS": "",
    }
    variables = {**os.environ, **own, "PYTHONPATH": os.pathsep.join([*map(str, path), str(ROOT)]), **variables}
    done = subprocess.run(
        [sys.executable, "-m", "slimtrain.cli", "doctor", *words],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def marks(findings):
    """The marks by subject, the worst of each."""
    order = ("ok", "warning", "problem")
    found = list(findings)
    return {f.subject: max((g.mark for g in found if g.subject == f.subject), key=order.index) for f in found}


def test_a_machine_that_is_well(tmp_path):
    code, out, err = doctor(tmp_path, "--json")
    assert code == 0 and err == ""
    found = json.loads(out)
    assert found["ok"] is True and list(found["findings"][0]) == ["subject", "mark", "told", "cure"]
    told = {f["subject"]: f for f in found["findings"]}
    assert told["python"]["told"] == ".".join(map(str, sys.version_info[:3]))
    assert told["devices"]["told"].endswith("(cpu)") and "cores" in told["threads"]["told"]
    assert told["runs"]["mark"] == "ok" and told["runs"]["told"].startswith(f"{tmp_path.resolve()}: can be written")
    for subject, variable in (("self-test", "SLIMTRAIN_SELF_TEST"), ("native part", "SLIMTRAIN_NATIVE")):
        assert (told[subject]["mark"], told[subject]["cure"]) == ("warning", f"unset {variable}")
    assert [p.name for p in tmp_path.iterdir()] == ["cache"], "nothing is left behind"


def test_a_jax_that_cannot_be_imported_is_told_with_all_the_rest(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "jax.py").write_text("raise ImportError('libcudart.so.13: no such file')\n")
    code, out, err = doctor(tmp_path, path=[tmp_path / "broken"])
    assert code == 1 and err == "" and "Traceback" not in out
    lines = out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("problem  devices"))
    assert lines[at].endswith("JAX does not start: ImportError: libcudart.so.13: no such file")
    assert lines[at + 1].strip().startswith("-> ") and lines[at + 1].endswith("pip install --upgrade jax jaxlib")
    assert any(line.startswith("ok       runs ") for line in lines), "the other checks are made"
    assert lines[-1].startswith("1 problem")


def test_flags_that_end_jax_are_named(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--no_such_flag")
    name, (found,) = computing.devices()
    assert name == "" and found.mark == "problem"
    assert "--no_such_flag" in found.told and found.cure.startswith("try without XLA_FLAGS")


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "runs").symlink_to("/proc/self")
    monkeypatch.chdir(tmp_path)
    found = next(iter(surroundings.disks()))
    assert (found.subject, found.mark) == ("runs", "problem") and found.cure


def test_a_cache_that_others_can_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "slimtrain" / "xla").mkdir(parents=True, mode=0o755)
    (found,) = surroundings.caches()
    assert found.mark == "warning" and found.told.endswith("can be read by others; delete it, or chmod 700")


def test_the_compiled_programs_are_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SLIMTRAIN_CACHE", raising=False)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    folder = tmp_path / "slimtrain" / "xla"
    assert marks(surroundings.caches())["compiled programs"] == "ok"
    (folder / "one").mkdir()
    (folder / "one" / "jit_f-cache").write_bytes(b"x" * 1500)
    assert f"{folder}: 1 programs, 1.5 kB of" in " ".join(f.told for f in surroundings.caches())
    monkeypatch.setenv("SLIMTRAIN_CACHE", "0")
    assert marks(surroundings.caches())["compiled programs"] == "warning"


@pytest.mark.parametrize(
    "name, value, mark",
    [
        ("JAX_DEBUG_NANS", "1", "warning"),
        ("JAX_DISABLE_JIT", "0", "ok"),
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true", "warning"),
        ("OMP_SCHEDULE", "static", "ok"),
    ],
)
def test_variables_that_matter(monkeypatch, name, value, mark):
    monkeypatch.setenv(name, value)
    (found,) = (f for f in surroundings.variables() if f.told.startswith(f"{name}="))
    assert found.mark == mark and bool(found.cure) == (mark == "warning")


def test_threads_that_a_variable_sets_otherwise(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    assert list(surroundings.threads())[-1].cure == "unset OMP_NUM_THREADS"


def test_a_check_that_fails_is_a_finding_and_no_traceback():
    def broken():
        yield Finding("one", "ok", "fine")
        raise RuntimeError("two\nlines")

    findings = list(found_by("two", broken))
    assert [f.mark for f in findings] == ["ok", "problem"] and findings[1].told.endswith("RuntimeError: two lines")
    assert not well(findings) and record(findings)["ok"] is False and summary(findings) == "1 problem"
    assert text(findings).splitlines()[0] == "ok       one  fine"


def test_a_cache_on_a_disk_that_cannot_be_written(tmp_path, monkeypatch):
    if reason := disks.why_no_mounts():
        pytest.skip(reason)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "slimtrain" / "xla").mkdir(parents=True, mode=0o700)
    with disks.disk(tmp_path / "slimtrain", "1m"):
        (tmp_path / "slimtrain" / "xla").mkdir(mode=0o700)
        disks.need(disks.mounting("mount", "-o", "remount,ro", str(tmp_path / "slimtrain")))
        (found,) = surroundings.caches()
    assert found.mark == "warning" and found.told == f"{tmp_path / 'slimtrain'} cannot be written"
