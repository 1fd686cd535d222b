-- How far webhooks are: everything of a shard's journal below it was taken by the target, or given
-- up with a dead letter.
CREATE TABLE webhook_position (
    target text COLLATE "C" NOT NULL,
    shard int NOT NULL,
    next_offset bigint,
    claim_generation bigint,
    claim_offset bigint,
    PRIMARY KEY (target, shard)
);
COMMENT ON TABLE webhook_position IS
    'Per target of webhooks and shard: first journal offset that may not have been delivered.';
COMMENT ON COLUMN webhook_position.target IS 'Name of the target in the settings.';
COMMENT ON COLUMN webhook_position.next_offset IS 'Null before the first record of the journal.';
COMMENT ON COLUMN webhook_position.claim_offset IS
    'With claim_generation: the highest claim below it.';
