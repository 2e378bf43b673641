"""Class-incremental training: new classes for a trained model that keeps its old ones."""
