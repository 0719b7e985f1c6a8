"""The deterministic world: a site in virtual time whose run is decided by one seed.

Chargers run the firmware's own app, agents are the real ones in their real hosts on real databases; cars, drivers, the
broker, the network and everything that goes wrong are made here.

``python -m tests.world --seed N`` replays one run, with ``--trace 50`` its last lines; ``--campaign 3000`` runs many.

``loop`` virtual time · ``entropy`` chance · ``broker`` and ``link`` MQTT and the network · ``storage`` flash that
tears · ``charger_box`` a charger on its wall · ``agent_process`` an agent and kill -9 · ``drivers`` and ``senders``
people · ``faults`` what goes wrong · ``checks`` one file per invariant · ``world`` all of it · ``campaign`` many of it
``balancing`` sites with a load balancer, ``balancing.mutations`` its clauses taken out ·
``day`` whole days by a timetable · ``mutations`` bugs that must be caught
"""
