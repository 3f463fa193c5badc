"""What can go wrong, sorted by whose move it is next; the command line turns each into an exit code."""


class HematoVisionError(Exception):
    """A failure of ours or of the machine (exit code 1)."""

    exit_code = 1


class UsageError(HematoVisionError):
    """Something a user asked for cannot be done as asked: a wrong path, option or configuration (exit code 2)."""

    exit_code = 2


class GateRefused(HematoVisionError):
    """Data or a model did not pass a gate (exit code 3)."""

    exit_code = 3


class UnreadableImage(HematoVisionError):
    """One image cannot be used; the message is the reason shown in the quarantine list. Never ends a batch."""
