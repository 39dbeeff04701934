"""The settings, from the environment. The task definitions of sprints B and C set each of them, and nothing else."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

RedisUrl = Annotated[str, Field(pattern=r"^rediss?://(\w*:[^/?#%@]+@)?[\w.-]+:\d+/\d+(\?.*)?$")]
"""`rediss://` on AWS. It holds the password, which must not end it early."""


class Settings(BaseSettings):
    # An error about one setting would show all of them, and so the password of Redis in the log.
    model_config = SettingsConfigDict(hide_input_in_errors=True, env_parse_none_str="null")

    aws_region: str
    bucket: str
    """The bucket of the videos."""
    table: str
    """The DynamoDB table of what is known about them; its key is `video_id`."""


class WebSettings(Settings):
    redis_url: RedisUrl | None = Field(repr=False)
    """The queue of the workers; `null` while there is none, as in sprint B."""


class WorkerSettings(Settings):
    redis_url: RedisUrl = Field(repr=False)
    """The queue that the web service fills."""
    visibility_timeout: int = Field(ge=3)
    """After so many seconds without a sign of life, a job goes to another worker."""
    stop_timeout: int = Field(ge=10)
    """So many seconds after SIGTERM the container is killed, as its task definition says."""
