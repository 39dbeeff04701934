"""The settings, from the environment. The task definitions of sprints B and C set each of them, and nothing else."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    # An error about one setting would show all of them, and so the password of Redis in the log.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    aws_region: str
    bucket: str
    """The bucket of the videos."""
    table: str
    """The DynamoDB table of what is known about them; its key is `video_id`."""
    redis_url: str = Field(repr=False, pattern=r"^rediss?://(\w*:[^/?#%@]+@)?[\w.-]+:\d+/\d+(\?.*)?$")
    """The queue between service and worker, `rediss://` on AWS. It holds the password, which must not end it early."""


class WorkerSettings(Settings):
    visibility_timeout: int = Field(ge=3)
    """After so many seconds without a sign of life, a job goes to another worker."""
    stop_timeout: int = Field(ge=10)
    """So many seconds after SIGTERM the container is killed, as its task definition says."""
