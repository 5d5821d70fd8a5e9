"""Recipe, plan, store, engine, records: what runs when, and where it is kept."""
