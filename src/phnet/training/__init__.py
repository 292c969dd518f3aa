"""Training in torch: recipe, trainer, data, losses, optimizers, checkpoints, logs."""
