"""Owns schedules and their firings: what is due, who runs it, how it ended. Never runs a pipeline itself: a run is a
`hematovision` command in a process of its own."""
