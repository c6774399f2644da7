"""Where the browser tests find the chapters, and where they leave what they saw."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = "http://127.0.0.1:9/pyodide/pyodide.mjs"  # an address of our own: what the live chapters must then ask for
NOTEBOOKS = Path(os.environ.get("NOTEBOOKS", ROOT / "notebooks"))
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "screenshots"))
