-- The fence in front of every effect. An attempt that was given up (its state is `unknown` or final by then) changes
-- nothing here and must not act. The same attempt may ask twice: after a lost answer it finds its own words.
UPDATE action SET state = 'performing', body = %(body)s
WHERE id = %(id)s AND (state IN ('requested', 'permitted', 'waiting') OR (state = 'performing' AND body = %(body)s))
