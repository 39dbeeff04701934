"""What service and worker both know: the record of a video, where its files are, and what the job is called."""

from decimal import Decimal
from enum import StrEnum
from time import time
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import BaseModel

PROCESS = "video.process"
"""The name of the job. Its only argument is the id of the video."""
MAX_ATTEMPTS = 5
"""A video that brings a worker down so many times is given up."""
SEND_AGAIN, FIRST_AGAIN, LAST_AGAIN = 60, 300, 3600
"""After so many seconds a job that failed may be sent again. One that waits is sent again after more, each time after
twice as many: its message is probably there, and more messages would look like more work."""


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
    queued_at: int = 0
    """When a message about it was last sent, in seconds of the epoch."""
    messages: int = 0
    """So many were sent since it last began."""
    lease: int = 0
    """Until when its worker has it, in seconds of the epoch."""

    @property
    def needs_message(self) -> bool:
        """Whether it waits for a worker: for the first time, since its message may be lost, or once more."""
        again = min(FIRST_AGAIN * 2 ** max(0, self.messages - 1), LAST_AGAIN)
        if self.status == Status.FAILED:
            again = SEND_AGAIN
        if self.queued_at > _in(-again):
            return False
        lost = self.status == Status.PROCESSING and self.lease < _in(0)
        return lost or self.status in (Status.INITIATED, Status.QUEUED, Status.FAILED)

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

    def __init__(self, session: boto3.Session, table: str, config: Config | None = None):
        # The client of the resource: takes plain values as the resource does, and threads may share it.
        self._client = session.resource("dynamodb", config=config).meta.client
        self._table = table

    def create(self, video: Video) -> None:
        self._client.put_item(TableName=self._table, Item=video.model_dump(mode="json", exclude_none=True))

    def get(self, video_id: str) -> Video | None:
        found = self._client.get_item(TableName=self._table, Key={"video_id": video_id}, ConsistentRead=True)
        return Video.model_validate(found["Item"]) if "Item" in found else None

    def queued(self, video: Video, duration: float | None) -> bool:
        """False if somebody else was faster. One that failed begins anew."""
        values = {"status": Status.QUEUED, "duration": _decimal(duration)}
        values |= {"queued_at": _in(0), "messages": video.messages + 1}
        if video.status == Status.FAILED:
            values |= {"attempts": 0, "progress": 0, "error": None, "messages": 1}
        unchanged = "#status = :status AND #lease = :lease AND #queued_at = :queued_at"
        seen = {"status": video.status, "lease": video.lease, "queued_at": video.queued_at}
        return self._set(video.video_id, values, unchanged, **seen)

    def unsent(self, video_id: str) -> None:
        """There was no message after all: the next one need not wait."""
        self._set(video_id, {"queued_at": 0, "messages": 0}, "#status = :queued", queued=Status.QUEUED)

    def claim(self, video_id: str, owner: str, seconds: float) -> Video | None:
        """Makes `owner` the only one to work on it for so long. None if there is nothing left to do."""
        mine = self._set(
            video_id,
            {"status": Status.PROCESSING, "owner": owner, "lease": _in(seconds)},
            "#status IN (:queued, :processing) AND #lease < :now",
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
        return self._set_mine(video_id, owner, {"lease": _in(seconds), "progress": progress})

    def finish(self, video_id: str, owner: str, duration: float) -> bool:
        values = {"status": Status.DONE, "progress": 100, "lease": 0, "duration": _decimal(duration)}
        return self._set_mine(video_id, owner, values)

    def fail(self, video_id: str, owner: str, error: str) -> bool:
        return self._set_mine(video_id, owner, {"status": Status.FAILED, "error": error, "lease": 0})

    def release(self, video_id: str, owner: str, error: str, counts: bool = True) -> bool:
        """Leaves it to whoever tries next. The error is for who looks into the table, not for clients."""
        values = {"status": Status.QUEUED, "lease": 0, "last_error": error}
        return self._set_mine(video_id, owner, values, count=0 if counts else -1)

    def hand_back(self, video_id: str, owner: str) -> bool:
        """Leaves it to the next worker, and does not count the attempt."""
        return self._set_mine(video_id, owner, {"status": Status.QUEUED, "progress": 0, "lease": 0}, count=-1)

    def _set_mine(self, video_id: str, owner: str, values: dict[str, Any], count: int = 0) -> bool:
        """Only while `owner` works on it: what is done stays done, whatever happens to its worker afterwards."""
        condition = "#owner = :me AND #status = :processing"
        return self._set(video_id, values, condition, count, me=owner, processing=Status.PROCESSING)

    def _set(self, video_id: str, values: dict[str, Any], condition: str, count: int = 0, **given: Any) -> bool:
        """Sets `values` and adds `count` to the attempts, if `condition` holds; says whether it did.

        boto repeats a call whose answer was lost, and then the condition may fail because of the first one: so each
        call leaves its mark."""
        mark = str(uuid4())
        values = values | {"written": mark}
        names = {*values, *(name for name in ("status", "owner", "lease", "queued_at") if f"#{name}" in condition)}
        update = "SET " + ", ".join(f"#{name} = :new_{name}" for name in values)
        if count:
            update, given = f"{update} ADD attempts :count", given | {"count": count}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"video_id": video_id},
                UpdateExpression=update,
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                ExpressionAttributeNames={f"#{name}": name for name in names},
                ExpressionAttributeValues={f":new_{name}": value for name, value in values.items()}
                | {f":{name}": value for name, value in given.items()},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                found: dict[str, Any] = error.response.get("Item", {})
                return found.get("written") == {"S": mark}
            raise
        return True


def _in(seconds: float) -> int:
    return int(time() + seconds)


def _decimal(seconds: float | None) -> Decimal | None:
    """DynamoDB takes no floats."""
    return None if seconds is None else Decimal(f"{seconds:.3f}")
