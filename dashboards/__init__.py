"""Grafana's dashboards and alerts, built from the contract: a field that is renamed there cannot be forgotten here.

``python -m dashboards`` writes ``dashboards/generated``, ``--check`` says whether it is up to date.

``influxql`` queries over the contract's measurements, ``panels`` what is drawn, ``dashboard`` a page of it, one file of
``boards`` each page, ``alerts`` the rules, ``files`` what is written.
"""
