-- Which cards a reader of changes must read again.

CREATE FUNCTION changed_cards(since xid8) RETURNS SETOF integer LANGUAGE sql STABLE AS $$
    SELECT number FROM cards WHERE version >= since
    UNION
    SELECT card_number FROM card_controls WHERE version >= since
    UNION
    SELECT cards.number FROM cards JOIN accounts ON accounts.number = cards.account_number
    WHERE accounts.version >= since
    UNION
    SELECT cards.number FROM cards JOIN accounts ON accounts.number = cards.account_number
    JOIN customers ON customers.number = accounts.customer_number
    WHERE customers.version >= since
$$;
COMMENT ON FUNCTION changed_cards IS 'Cards of which the card, its controls, account or customer was written at or above a version.';
