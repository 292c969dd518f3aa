"""Finishing after the colors: edges, sharpness, grain, light wrap; one function each."""
