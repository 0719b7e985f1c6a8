"""The load balancer: shares a site's current, never beyond a limit, nearly as well as possible, and says why.

``circuits`` what a site is made of · ``allocation`` the values of a plan, ``planning`` who gets how much ·
``granting`` what may be granted now (invariant 2), what is kept of it, one balancer at a time ·
``seeing`` chargers and meters · ``deciding`` one step · ``telling`` decisions, commands and alarms ·
``hearing`` and ``agent`` the bus · ``shadow`` the same without orders

Imports run in this order: a folder knows those before it.
"""
