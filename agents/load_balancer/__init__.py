"""The load balancer: shares a site's current, never beyond a limit, nearly as well as possible, and says why.

``site`` and ``settings`` what a site is made of · ``orders`` and ``safety`` what may be granted (invariant 2) ·
``claim`` one balancer at a time · ``metering`` and ``limits`` what the grid leaves · ``views`` the chargers ·
``allocation`` who gets how much · ``deciding`` one step · ``due`` and ``commands`` what is sent · ``records`` and
``history`` what is kept · ``heard``, ``overdraw`` and ``alarms`` what is wrong · ``telling`` and ``loads`` what is
said · ``listening`` and ``agent`` the bus · ``shadow`` the same without orders
"""
