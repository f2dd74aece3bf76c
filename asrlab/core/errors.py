"""The one error that a user can mend."""


class AsrlabError(ValueError):
    """Bad input: the message names the thing (a file, a field), its value and what to do about it."""
