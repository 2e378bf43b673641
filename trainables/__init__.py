"""How one configuration becomes numbers: data, models, training, metrics, cost, artifacts."""
