"""The exercises, a module for each set: what is asked, oracles, hints, typical mistakes and different right answers."""
