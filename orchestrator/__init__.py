"""What runs next and what won: spec, searcher, scheduler, lanes, ledger, tracking, report, CLI."""
