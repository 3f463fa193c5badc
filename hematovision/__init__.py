"""The library: cells, learning, evidence. Every rule of the domain lives here, once; nothing here imports ZenML."""

__version__ = "0.1.0"
