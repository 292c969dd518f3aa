"""What color leaves of a seam: edges, sharpness, grain, light wrap; one function each."""
