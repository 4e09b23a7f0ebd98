"""Instance slots: no two runs give PixInsight the same number, and none takes one that is in use."""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ap_masters.errors import PixInsightError, reason_of

LAST: Final = 256  # PixInsight's slots are 1..256


class Slot:
    """A claimed slot; use it as a context manager, or release it. The system frees it when this process dies."""

    def __init__(self, number: int, lock: FileLock) -> None:
        """Keep the number and the lock that holds it."""
        self.number = number
        self._lock = lock

    def release(self) -> None:
        """Let others take the slot."""
        self._lock.release()

    def __enter__(self) -> "Slot":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim(first: int, *, in_use: Collection[int] = (), folder: Path | None = None) -> Slot:
    """Return the first slot from ``first`` on (round to 1 after 256) that nobody holds and is not ``in_use``.

    Locks are files in ``folder``, by default this user's state folder. Raises PixInsightError when all 256
    slots are taken or the folder cannot be written.
    """
    place = folder if folder is not None else default_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        for number in (*range(first, LAST + 1), *range(1, first)):
            if number in in_use:
                continue
            lock = FileLock(place / f"{number}.lock")
            with suppress(Timeout):
                lock.acquire(timeout=0)
                return Slot(number, lock)
    except OSError as error:
        raise PixInsightError(
            f"{place}: no PixInsight slot can be locked there ({reason_of(error)}). Mend its permissions"
        ) from error
    raise PixInsightError(f"All {LAST} PixInsight instance slots are in use. Close some instances and try again")


def default_folder() -> Path:
    """Return where slots are locked."""
    return state_folder() / "slots"


def state_folder() -> Path:
    """Return what is kept from run to run: AP_MASTERS_STATE_DIR, or the user's state folder of the system."""
    if chosen := os.environ.get("AP_MASTERS_STATE_DIR"):
        return Path(chosen)
    import platformdirs  # needed only here

    return platformdirs.user_state_path("ap-masters", appauthor=False)
