"""Chains of steps, each readable as a paragraph."""
