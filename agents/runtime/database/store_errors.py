"""What may go wrong with an agent's database, in words; importing it does not import SQLAlchemy."""


class StoreUnavailable(Exception):
    """The database cannot be used now, but a retry may succeed; the text says why, for an operator.

    Nothing of the transaction was committed, unless the connection broke during the commit itself: then nobody knows,
    and the idempotent handler that runs again finds out.
    """


class DatabaseDamaged(StoreUnavailable):
    """The file is no usable database any more, or it was deleted or replaced while it was open; the text says which.

    Nothing that the transaction did counts: it must not be acknowledged to anyone. Retrying does not help; starting
    the agent again does (:meth:`agents.runtime.database.store.Store.recover`).
    """


class StoreUrlError(ValueError):
    """A database URL that this runtime cannot use; the text says which are possible, without the password."""


class NewerDatabase(Exception):
    """The database was upgraded by a newer version of the agent than this one; the text says what to do."""
