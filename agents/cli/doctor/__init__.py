"""``doctor``: a live bus, checked against the contract."""
