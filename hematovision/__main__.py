"""`python -m hematovision`: the command line, where its script is not on the path."""

from hematovision.cli import main

main()
