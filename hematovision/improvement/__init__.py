"""The way from accepted corrections to a better challenger.

Owns: what a retrain is made from, when it is put off, what it gained on new cells, and the page that says what changed
and why. Never decides what serves: that is promotion's. Never trains: that is learning's.
"""
