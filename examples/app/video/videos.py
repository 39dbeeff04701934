"""What service and worker both know: the record of a video, where its files are, and what the job is called."""

from decimal import Decimal
from enum import StrEnum
from time import time
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pydantic import BaseModel

PROCESS = "video.process"
"""The name of the job. Its only argument is the id of the video."""
MAX_ATTEMPTS = 5
"""A video that brings a worker down so many times is given up."""


class Status(StrEnum):
    INITIATED = "initiated"
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"


class Video(BaseModel):
    video_id: str
    filename: str
    content_type: str
    size: int
    delete_original: bool
    status: Status = Status.INITIATED
    progress: int = 0
    """In percent."""
    duration: float | None = None
    """In seconds."""
    attempts: int = 0
    error: str | None = None

    @property
    def original(self) -> str:
        return f"uploads/{self.video_id}"

    @property
    def result(self) -> str:
        return f"results/{self.video_id}/video.mp4"

    @property
    def thumbnail(self) -> str:
        return f"results/{self.video_id}/thumbnail.jpg"


class Busy(Exception):
    """Another worker has the video."""


class Videos:
    """The records, in DynamoDB. Who may do what with one is decided there, by conditions."""

    def __init__(self, session: boto3.Session, table: str):
        # The client of the resource: takes plain values as the resource does, and threads may share it.
        self._client = session.resource("dynamodb").meta.client
        self._table = table

    def create(self, video: Video) -> None:
        item = video.model_dump(mode="json", exclude_none=True)
        self._client.put_item(TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(video_id)")

    def get(self, video_id: str) -> Video | None:
        found = self._client.get_item(TableName=self._table, Key={"video_id": video_id}, ConsistentRead=True)
        return Video.model_validate(found["Item"]) if "Item" in found else None

    def queued(self, video_id: str, duration: float) -> bool:
        """False if a worker has it already."""
        return self._set(
            video_id,
            {"status": Status.QUEUED, "duration": Decimal(f"{duration:.3f}")},
            "#status IN (:initiated, :queued)",
            initiated=Status.INITIATED,
            queued=Status.QUEUED,
        )

    def claim(self, video_id: str, owner: str, seconds: float) -> Video | None:
        """Makes `owner` the only one to work on it for so long. None if there is nothing left to do."""
        mine = self._set(
            video_id,
            {"status": Status.PROCESSING, "owner": owner, "lease": _in(seconds)},
            "#status IN (:queued, :processing) AND (attribute_not_exists(#lease) OR #lease < :now)",
            count=1,
            queued=Status.QUEUED,
            processing=Status.PROCESSING,
            now=_in(0),
        )
        video = self.get(video_id)
        if not mine and video and video.status in (Status.QUEUED, Status.PROCESSING):
            raise Busy(video_id)
        return video if mine else None

    def renew(self, video_id: str, owner: str, seconds: float, progress: int) -> bool:
        """A sign of life. False if the video is no longer `owner`'s."""
        return self._set(video_id, {"lease": _in(seconds), "progress": progress}, "#owner = :me", me=owner)

    def finish(self, video_id: str, owner: str) -> bool:
        return self._set(video_id, {"status": Status.DONE, "progress": 100, "lease": 0}, "#owner = :me", me=owner)

    def fail(self, video_id: str, owner: str, error: str) -> bool:
        return self._set(video_id, {"status": Status.FAILED, "error": error, "lease": 0}, "#owner = :me", me=owner)

    def release(self, video_id: str, owner: str) -> bool:
        """Leaves it to whoever tries next."""
        return self._set(video_id, {"status": Status.QUEUED, "lease": 0}, "#owner = :me", me=owner)

    def hand_back(self, video_id: str, owner: str) -> bool:
        """Leaves it to the next worker, and does not count the attempt."""
        return self._set(
            video_id, {"status": Status.QUEUED, "progress": 0, "lease": 0}, "#owner = :me", count=-1, me=owner
        )

    def _set(self, video_id: str, values: dict[str, Any], condition: str, count: int = 0, **given: Any) -> bool:
        """Sets `values` and adds `count` to the attempts, if `condition` holds; says whether it did."""
        names = {*values, *(name for name in ("status", "owner", "lease") if f"#{name}" in condition)}
        update = "SET " + ", ".join(f"#{name} = :new_{name}" for name in values)
        if count:
            update, given = f"{update} ADD attempts :count", given | {"count": count}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"video_id": video_id},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in names},
                ExpressionAttributeValues={f":new_{name}": value for name, value in values.items()}
                | {f":{name}": value for name, value in given.items()},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True


def _in(seconds: float) -> Decimal:
    return Decimal(f"{time() + seconds:.3f}")
