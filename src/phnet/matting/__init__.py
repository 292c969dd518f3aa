"""Finding the person in a photo: the alpha, and the person's own colors at its edge."""
