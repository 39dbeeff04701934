"""What the scaling of the workers goes by: how many jobs wait, how many that is for each worker, how many are not done.

While one is not done, no worker may be taken away, for ECS does not know which one is idle."""

import logging
import time

import boto3
from celery import Celery

NAMESPACE, QUEUE = "Video", "celery"
QUEUE_DEPTH, BACKLOG_PER_TASK, UNFINISHED_JOBS = "QueueDepth", "BacklogPerTask", "UnfinishedJobs"
SECONDS = 15
"""Between two values: often enough for alarms, which look at minutes."""

logger = logging.getLogger(__name__)


def publish_forever(celery: Celery, session: boto3.Session) -> None:
    cloudwatch = session.client("cloudwatch")
    while True:
        try:
            cloudwatch.put_metric_data(
                Namespace=NAMESPACE,
                MetricData=[
                    {
                        "MetricName": name,
                        "Dimensions": [{"Name": "Queue", "Value": QUEUE}],
                        "Value": value,
                        "Unit": "Count",
                    }
                    for name, value in measured(celery).items()
                ],
            )
        except Exception:  # whatever it is, the jobs go on, and the next time may be better
            logger.warning("cannot publish the length of the queue", exc_info=True)
        time.sleep(SECONDS)


def measured(celery: Celery) -> dict[str, float]:
    with celery.connection_for_read() as connection:
        channel = connection.default_channel
        waiting = channel.queue_declare(QUEUE).message_count
        taken = channel.client.hlen(channel.unacked_key)  # a message stays there until its job is done
    values = {QUEUE_DEPTH: waiting, UNFINISHED_JOBS: waiting + taken}
    if workers := len(celery.control.ping(timeout=1)):  # none answers in time when all are busy
        values[BACKLOG_PER_TASK] = waiting / workers
    return values
