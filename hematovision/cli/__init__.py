"""The command line: one verb a command, tables for people, one JSON document for programs. Owns no rule of the domain."""

from hematovision.cli.application import main

__all__ = ["main"]
