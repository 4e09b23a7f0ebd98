"""A stand-in for PixInsight: its command line, its script runtime and its arithmetic, and its ways of failing.

``tests/simulator/PixInsight`` is started like the real program. It really executes the script in a JavaScript
engine, and refuses what PixInsight would refuse: language beyond ECMAScript 5, unknown properties, values of a
wrong type or out of range, short table rows. What it does is set by environment variables (``settings.py``); on
request it misbehaves (``faults.py``).

    program.py      the command line, start-up, slots, the wrapper and its child
    script.py       preprocessor lines, the check for ES5
    runtime.js, runtime.py    what a script sees, and what stands behind it
    parameters.py, processes.json    every property of both processes: type, range, default
    integration.py, calibration.py   ImageIntegration, ImageCalibration
    arithmetic.py   rejection and combination, in plain float64
    workspace.py    image windows, reading and writing of files
    console.py      the console and its log

Nothing here shares code with the product's engines; files are read and written through ``ap_masters.images``.
"""

import sys
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent

SIMULATOR: Final = _HERE / ("PixInsight.cmd" if sys.platform == "win32" else "PixInsight")  # as users name it
COMMAND: Final = (sys.executable, str(_HERE / "PixInsight"))  # the same program, with nothing between
