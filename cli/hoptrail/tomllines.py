"""Where in a TOML file a section or a key stands, for error messages. The text is known to be valid TOML."""

import re

_HEADER = re.compile(r"\s*\[{1,2}\s*([^]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*(?P<quote>["']?)(?P<key>[\w.-]+)(?P=quote)\s*[.=]""")


class TomlLines:
    """Line numbers, from 1, of one file's sections and keys; 1 for what is not found."""

    def __init__(self, text: str) -> None:
        """Look at each line once. A line inside a multi-line string may pass for a key; the first one found counts."""
        self._found: dict[tuple[str, str], int] = {}
        section = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.match(line):
                section = header[1].strip("\"'")
                self._found.setdefault((section, ""), number)
            elif key := _KEY.match(line):
                self._found.setdefault((section, key["key"]), number)

    def section(self, name: str) -> int:
        """Return the line of `[name]`, or of the first dotted key that makes it."""
        return self._found.get((name, "")) or self._dotted(f"{name}.")

    def key(self, section: str, key: str) -> int:
        """Return the line of a key."""
        return self._found.get((section, key)) or self._dotted(f"{section}.{key}")

    def _dotted(self, start: str) -> int:
        found = (number for (section, key), number in self._found.items() if not section and key.startswith(start))
        return next(found, 1)
