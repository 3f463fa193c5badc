"""The command line: one verb a command, tables for people, one JSON document for programs; no rule of the domain."""

from hematovision.cli.application import main

__all__ = ["main"]
