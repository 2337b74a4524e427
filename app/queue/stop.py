"""The wish to stop, as the work-horse hears it: a first SIGTERM asks, a second one hurries."""

import signal
import time
from types import FrameType


class Stop:
    """Plain attributes, no lock: they are set inside a signal handler."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._hurried = False

    @property
    def asked(self) -> bool:
        return self._asked_at is not None

    def ask(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        else:
            self._hurried = True

    def grace_over(self, grace_s: float) -> bool:
        """Whether what is under way may not be waited for any longer."""
        asked_at = self._asked_at
        return asked_at is not None and (self._hurried or time.monotonic() - asked_at >= grace_s)

    def listen(self) -> None:
        """From now on SIGTERM asks this process to stop, and Ctrl-C is left to the parent."""
        signal.signal(signal.SIGTERM, self.ask)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def done(self) -> None:
        """Nothing is left that is worth waiting for: from now on SIGTERM ends this process."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
