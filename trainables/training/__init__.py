"""The training loop: losses, optimizers, metrics, checkpoints, ranks."""
