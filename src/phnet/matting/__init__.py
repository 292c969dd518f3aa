"""Finding the person in a photo: the alpha, and the person's own colours at its edge."""
