"""The whole loop, rehearsed: two sites, the real commands, the real service, the real scheduler, in a home of its own.

Owns: what a rehearsal deals to whom, the processes it starts and stops, what it measures and tells. It asks for
everything as a user would, by commands and over HTTP; it decides nothing itself and reads nobody's held-out cells.
"""
