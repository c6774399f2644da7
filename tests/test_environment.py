"""The ways to install agree: pyproject.toml, environment.yml, Makefile, README."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def conda_specs() -> list[str]:
    return [d for d in ENVIRONMENT["dependencies"] if isinstance(d, str)]


def pip_specs() -> list[str]:
    return [p for d in ENVIRONMENT["dependencies"] if isinstance(d, dict) for p in d["pip"]]


def test_conda_specs_are_in_condas_own_grammar() -> None:
    match_spec = pytest.importorskip("rattler").MatchSpec
    for spec in conda_specs():
        assert match_spec(spec, strict=True).name is not None
    with pytest.raises(Exception, match="."):
        match_spec("python=>3.12,,", strict=True)


def test_conda_python_is_one_that_the_package_allows() -> None:
    (python,) = [s for s in conda_specs() if s.startswith("python=")]
    version = tuple(map(int, python.removeprefix("python=").split(".")))
    minimum = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    assert version >= minimum
    assert len(version) == 2, "Binder's builder reads one version, not a range"


def test_environment_installs_the_package_itself_with_the_lab() -> None:
    assert pip_specs() == ["-e .[lab]"]
    assert "lab" in PROJECT["optional-dependencies"]


def test_every_dependency_says_why_or_is_said_to_belong_together() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    runtime = text.split("dependencies = [", 1)[1].split("]", 1)[0]
    for line in filter(None, map(str.strip, runtime.splitlines())):
        assert "#" in line, f"no reason given for {line}"
    assert len(PROJECT["dependencies"]) <= 5, "the models' run-time dependencies stay few"


def test_readme_names_both_commands_and_the_plain_ones() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make lab", "make test", "python -m venv .venv", "conda env create -f environment.yml"):
        assert command in readme, command
    assert re.search(r"Scripts\\", readme), "Windows users need their own lines"


def test_makefile_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z]+)", readme)) | {"lab", "test"}:
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target} is promised but not there"


def test_no_host_of_a_registry_and_no_path_of_a_machine() -> None:
    import subprocess

    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    hosts = re.compile("py" + "pi[.]org|python" + "hosted|npm" + "js[.]|/wo" + "rk/|/ro" + "ot/", re.I)
    for name in filter(None, files):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png"}:
            found = hosts.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{name}: {found and found.group()}"
