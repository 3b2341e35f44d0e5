"""What can go wrong, by name. Messages say what is wrong, what was seen and what to do; never a customer's value."""


class CrmIntelError(Exception):
    """Any complaint of this package.

    >>> from crmintel import InteractionLog
    >>> try:
    ...     InteractionLog.read("nowhere.csv")
    ... except CrmIntelError as error:
    ...     print(error)
    ...
    No file matches 'nowhere.csv'. Give an existing Parquet or CSV file, folder or glob.
    """


class DataContractError(CrmIntelError, ValueError):
    """The data break a rule of the contract."""


class DataTypeError(DataContractError, TypeError):
    """The data have a kind that cannot be read."""


class NoBuyersError(DataContractError):
    """Nobody among these customers had bought anything by the instant."""


class BundleError(CrmIntelError, ValueError):
    """A bundle is damaged, foreign, made by another version, or not signed by the key that was given."""


class OutputError(CrmIntelError, OSError):
    """A result cannot be written where it was asked for; what was there before is still there."""


class LockedError(OutputError):
    """Another job is writing the same output."""


class LeakageError(CrmIntelError, ValueError):
    """The future would flow into the past, or a label cannot be known yet."""


class DataContractWarning(UserWarning):
    """The data can be used, but something about them is probably not meant."""


class ErasureError(DataContractError):
    """Some stored tables could not be searched for customers to erase; `report` says what was done nevertheless."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report
