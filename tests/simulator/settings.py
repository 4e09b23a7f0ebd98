"""What the simulator is told through its environment.

| variable | meaning | default |
|---|---|---|
| AP_SIM_VERSION | version of the core it plays: 1.8.9, 1.9.3, 1.9.4 | 1.9.4 |
| AP_SIM_JS | ``sm``: SpiderMonkey unless the script says ``#engine v8``; ``v8``: V8 for every script; ``arm``: the build for Apple silicon, which refuses scripts without ``#engine v8`` | sm |
| AP_SIM_FAULT | what goes wrong, see ``faults.py`` | nothing |
| AP_SIM_STATE | folder of slot locks and counters, shared by the launches of one test | beside the program's own slots (AP_MASTERS_STATE_DIR), else in the system's temporary folder |
| AP_SIM_STARTUP | seconds until scripts run | 0.2 |
| AP_SIM_LIFETIME | seconds after which a hanging or idle instance ends itself, so that no test leaves one behind | 60 |
| AP_SIM_SLOW | seconds that the fault ``slow`` adds to every integration | 1 |
| AP_SIM_LOG | ``grow``: a log is written line by line; ``end``: only by ``endLog()`` | grow |
| AP_SIM_CONSOLE | file that everything the console shows is appended to, for whoever wants to know | none |
| AP_SIM_ES5 | 0: do without the check for ES5, which takes longer than all the rest | 1 |
| AP_SIM_STRICT | 0: accept unknown properties and short rows as PixInsight may | 1 |
"""  # noqa: E501 - a table

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Dialect = Literal["sm", "v8"]


@dataclass(frozen=True)
class Settings:
    """The environment, read once."""

    version: tuple[int, ...]
    javascript: str
    fault: str
    state: Path
    startup: float
    lifetime: float
    slow: float
    log_grows: bool
    console: Path | None
    es5_only: bool
    strict: bool

    @classmethod
    def read(cls) -> "Settings":
        """Read ``os.environ``."""
        environment = os.environ
        home = environment.get("AP_MASTERS_STATE_DIR") or tempfile.gettempdir()
        console = environment.get("AP_SIM_CONSOLE")
        return cls(
            version=tuple(int(part) for part in environment.get("AP_SIM_VERSION", "1.9.4").split(".")),
            javascript=environment.get("AP_SIM_JS", "sm"),
            fault=environment.get("AP_SIM_FAULT", ""),
            state=Path(environment.get("AP_SIM_STATE") or Path(home, "pixinsight-simulator")),
            startup=float(environment.get("AP_SIM_STARTUP", "0.2")),
            lifetime=float(environment.get("AP_SIM_LIFETIME", "60")),
            slow=float(environment.get("AP_SIM_SLOW", "1")),
            log_grows=environment.get("AP_SIM_LOG", "grow") == "grow",
            console=Path(console) if console else None,
            es5_only=environment.get("AP_SIM_ES5", "1") != "0",
            strict=environment.get("AP_SIM_STRICT", "1") != "0",
        )

    @property
    def version_text(self) -> str:
        """The version as PixInsight prints it."""
        return ".".join(str(part) for part in self.version)

    @property
    def codename(self) -> str:
        """The name of the release."""
        return "Ripley" if self.version < (1, 9) else "Lockhart"

    @property
    def title(self) -> str:
        """The line that heads every log."""
        return f"PixInsight Core {self.version_text} {self.codename} (x64)"
