"""Tables of a report, for every output format."""
