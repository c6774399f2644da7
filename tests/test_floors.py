"""The floors hold: nothing imports upward, and importing the package loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dcserver

PACKAGE = Path(dcserver.__file__).parent
PHYSICS, SYSTEMS = 2, 3
FLOORS = {
    "units": 0, "arrays": 0, "checks": 0, "progress": 0, "catalog": 1,
    "compute": PHYSICS, "memory": PHYSICS, "interconnect": PHYSICS, "energy": PHYSICS,
    "precision": PHYSICS, "storage": PHYSICS, "queueing": PHYSICS,
    "training": SYSTEMS, "inference": SYSTEMS, "sharing": SYSTEMS, "reliability": SYSTEMS, "cost": SYSTEMS,
    "edge": SYSTEMS, "future": SYSTEMS, "planning": 4, "applications": 4, "centre": 4, "validation": 4, "claims": 4,
    "lab": 5,
}  # fmt: skip
# Within a floor one order is fixed, so that no circle can form: the clock that power allows comes first.
MAY_IMPORT_BESIDE = {("compute", "energy"), ("checks", "units"), ("storage", "queueing"), ("storage", "memory")}
MAY_IMPORT_BESIDE |= {("precision", "compute")}  # what fewer bits save is told on the roofline
MAY_IMPORT_BESIDE |= {("centre", "planning"), ("validation", "applications")}
# Among the systems: what is served, trained or broken is what has a price, and the edge serves.
MAY_IMPORT_BESIDE |= {("cost", part) for part in ("training", "inference", "reliability", "sharing")}
MAY_IMPORT_BESIDE |= {("edge", "inference"), ("reliability", "training"), ("sharing", "reliability")}


def imports_of(path: Path) -> set[str]:
    """First-level parts of dcserver that a module imports, anywhere in it."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = node.module.split(".")
            if names[0] == "dcserver":
                parts |= {names[1]} if len(names) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path.name}: relative import; say dcserver.<part>")
        elif isinstance(node, ast.Import):
            parts |= {a.name.split(".")[1] for a in node.names if a.name.startswith("dcserver.")}
    return parts


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_imports_upward(path: Path) -> None:
    part = part_of(path)
    assert part in FLOORS, f"{part} has no floor: add it to FLOORS"
    for imported in imports_of(path) - {part, "__version__"}:
        beside = FLOORS[imported] == FLOORS[part] and (part, imported) in MAY_IMPORT_BESIDE
        assert FLOORS[imported] < FLOORS[part] or beside, f"{part} (floor {FLOORS[part]}) imports {imported}"


def test_the_floor_test_sees_an_upward_import(tmp_path: Path) -> None:
    bad = tmp_path / "units.py"
    bad.write_text("from dcserver.lab import controls\nfrom dcserver import validation\nimport dcserver.energy\n")
    assert imports_of(bad) == {"lab", "validation", "energy"}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_loads_neither_plotting_nor_widgets() -> None:
    heavy = {
        "matplotlib",
        "ipywidgets",
        "IPython",
        "networkx",
        "scipy",
        "pandas",
        "dask",
        "distributed",
        "simpy",
        "ml_dtypes",
    }
    assert not heavy & loaded_after("import dcserver")
    physics = "import dcserver.compute, dcserver.memory, dcserver.interconnect, dcserver.energy, dcserver.training, dcserver.planning, dcserver.validation, dcserver.queueing, dcserver.storage, dcserver.centre"
    assert not heavy & loaded_after(physics)


def test_the_lab_loads_without_pyplot() -> None:
    code = "import sys, dcserver.lab as lab; lab.Panel; print('matplotlib.pyplot' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_unknown_part_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        dcserver.nonsense  # noqa: B018
