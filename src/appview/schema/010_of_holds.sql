-- Holds are told of manifests side by side, each of its own in their order.

CREATE INDEX notice_hold ON notice (hold, due_us);
