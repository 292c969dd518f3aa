"""Data sets: readers, synthesis, the building of FFHQH, validation, statistics, archives."""
