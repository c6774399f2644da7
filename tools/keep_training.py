"""Trains the small network of chapter 03 by every recipe and keeps the runs in the catalog (about half a minute).

python tools/keep_training.py
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import datetime
import platform
from importlib import metadata, resources
from pathlib import Path

import numpy as np

from dcserver.precision import keeping, network


def main() -> None:
    runs = network.compare(progress=True)
    made = (
        f"{datetime.date.today().isoformat()}, one core ({platform.machine()}), Python {platform.python_version()}, "
        f"NumPy {np.__version__}, ml_dtypes {metadata.version('ml_dtypes')}"
    )
    path = Path(str(resources.files("dcserver.catalog"))) / "data" / keeping.FILE
    path.write_text(keeping.to_json(runs, made), encoding="utf-8")
    for run in runs:
        print(
            f"{run.recipe:24} loss {run.final_loss:.4f}, {run.accuracy:.1%} right, {run.vanished.mean():.1%} vanished"
        )


if __name__ == "__main__":
    main()
