"""``python tests/simulator -n=5 ...``: the simulator without its executable file, as Windows needs it."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("PixInsight")), run_name="__main__")
