"""What the scaling of the workers goes by: how many jobs wait, and how many that is for each worker."""

import logging
import time

import boto3
from celery import Celery

NAMESPACE, QUEUE = "Video", "celery"
QUEUE_DEPTH, BACKLOG_PER_TASK = "QueueDepth", "BacklogPerTask"
SECONDS = 15
"""Between two values: often enough for alarms, which look at minutes."""

logger = logging.getLogger(__name__)


def publish_forever(celery: Celery, session: boto3.Session) -> None:
    cloudwatch = session.client("cloudwatch")
    while True:
        try:
            depth, workers = waiting(celery), len(celery.control.ping(timeout=1))
            values = {QUEUE_DEPTH: depth}
            if workers:  # none has answered in time when all are busy, and this one is there
                values[BACKLOG_PER_TASK] = depth / workers
            cloudwatch.put_metric_data(
                Namespace=NAMESPACE,
                MetricData=[
                    {
                        "MetricName": name,
                        "Dimensions": [{"Name": "Queue", "Value": QUEUE}],
                        "Value": value,
                        "Unit": "Count",
                    }
                    for name, value in values.items()
                ],
            )
        except Exception:  # whatever it is, the jobs go on, and the next time may be better
            logger.warning("cannot publish the length of the queue", exc_info=True)
        time.sleep(SECONDS)


def waiting(celery: Celery) -> int:
    """Jobs that no worker has taken yet."""
    with celery.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare(QUEUE).message_count)
