-- name: internal_movements
-- Transfers between two accounts of ours that were booked since $1, with the day of each, counted from 1970 (UTC).
SELECT account_number, payee_account, payer_minor,
       floor(extract(epoch FROM created_at) / 86400)::bigint AS day
FROM transfers
WHERE payee_account IS NOT NULL AND state = 'posted' AND created_at >= $1
ORDER BY created_at, id;
