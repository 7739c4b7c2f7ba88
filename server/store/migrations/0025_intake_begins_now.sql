-- Where compliance comes to a bank that has a past, intake begins with what is new: the past doesn't flood the queue.
--
-- What waits for a decision is new to compliance however old it is. Intake that has begun already goes on where it is.

UPDATE transfer_events SET version = pg_current_xact_id()
FROM transfers
WHERE transfers.id = transfer_events.transfer_id AND transfers.state = 'pending_review'
  AND transfer_events.state = 'pending_review'
  AND EXISTS (SELECT FROM intake_positions WHERE source = 'transfer' AND position = 0);

UPDATE intake_positions SET position = pg_current_xact_id()::text::bigint WHERE source = 'transfer' AND position = 0;

UPDATE intake_positions SET position = journal_positions.position
FROM journal_positions
WHERE journal_positions.journal = 'decisions' AND intake_positions.source = 'authorization'
  AND intake_positions.position = 0;
