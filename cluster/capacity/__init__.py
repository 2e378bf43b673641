"""What nodes offer and how many lanes fit on them."""
