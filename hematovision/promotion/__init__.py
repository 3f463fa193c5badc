"""Owns whether a version may serve: policy, gates, verdict, signed decisions, and the one step that makes a champion.

Never trains, never measures a model itself, never decides for a person.
"""
