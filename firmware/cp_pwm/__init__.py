"""The control pilot and interlock: the native C module and the executable specification of its rules."""
