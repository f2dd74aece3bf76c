"""asrlab: a readable, tested speech recogniser."""
