"""``phnet train``: run a recipe."""
