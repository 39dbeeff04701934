"""People upload a video, a worker processes it, the result lands in storage."""
