"""The errors that a user can do something about."""


class AsrlabError(ValueError):
    """Bad input: the message names the thing (a file, a field), its value and what to do about it."""


class Preempted(AsrlabError):
    """Nothing is wrong: the machine is wanted back, all is saved, and the same command goes on from there."""
