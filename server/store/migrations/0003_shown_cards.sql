-- Cards as people ask for them.

CREATE VIEW shown_cards AS
SELECT cards.*, accounts.customer_number, customers.given_name, customers.family_name,
       programmes.name AS programme_name
FROM cards
JOIN accounts ON accounts.number = cards.account_number
JOIN customers ON customers.number = accounts.customer_number
JOIN programmes ON programmes.number = cards.programme;
COMMENT ON VIEW shown_cards IS 'A card with its programme''s name and its holder''s sealed name.';
