#!/bin/sh
# InfluxQL names a database, InfluxDB 2 has buckets: map the one to the other. The image's own set-up runs this once,
# after it has made the bucket.

set -eu
influx v1 dbrp create --db chargebus --rp autogen --default --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
