"""Data sets: composites made from photos, readers, builders, checks."""
