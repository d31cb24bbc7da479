"""The leanest milter that pymilter allows: no reply to anything but the end of a message, one header field added.

Run as `python -P lean_milter.py SOCKET`: without -P, milter.py in this folder would shadow pymilter's extension.
"""

# ruff: noqa: ANN001, ANN002, ANN201, ARG002 - the signatures are pymilter's

import sys

import Milter


class Lean(Milter.Base):
    @Milter.noreply
    def envfrom(self, sender, *_parameters):
        return Milter.CONTINUE

    @Milter.noreply
    def envrcpt(self, recipient, *_parameters):
        return Milter.CONTINUE

    @Milter.noreply
    @Milter.decode("bytes")
    def header(self, name, value):
        return Milter.CONTINUE

    def eom(self):
        self.addheader("X-Lean", "passed")
        return Milter.CONTINUE


if __name__ == "__main__":
    Milter.factory = Lean
    Milter.set_flags(Milter.ADDHDRS)
    Milter.runmilter("lean", sys.argv[1])
