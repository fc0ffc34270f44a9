"""The process shell: settings, Kafka wiring, the lane, clock, lifecycle, logs, the embedded broker."""
