"""What `hoptrail doctor` looks at; each check returns findings and changes nothing."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` says what to do about it, "" where nothing needs doing."""

    topic: str
    state: State
    text: str
    mend: str = ""
