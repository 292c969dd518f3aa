"""Placing a person in a scene: the composer, and where and how large."""
