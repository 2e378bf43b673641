"""The trial broker: the actor that hands trials to lanes and relays their messages."""
