"""The main job: the pipeline, its API, snapshots and replay."""
